# SPDX-License-Identifier: GPL-2.0-only
#
# embed.cmake - writes OUTPUT, a C file that defines NAME as the text of INPUT, with a terminating zero
#
# cmake -D INPUT=<file> -D OUTPUT=<file.c> -D NAME=<identifier> -D HEADER=<header> -P embed.cmake

file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${hex}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nconst char ${NAME}[] = { ${bytes}0 };\n")
