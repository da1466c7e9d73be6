# SPDX-License-Identifier: GPL-2.0-only
#
# pahole.awk - from pahole -E: "field offset size" of every member of a struct, bit fields with their bit as a.b
# Members of nested structs are parent.member, those of nameless ones the parent's own.
BEGIN {
	count = 0
	depth = 0
}

depth && /^[ \t]*}/ {
	name = $0
	gsub(/__attribute__\(\([a-z_]+(\([0-9]+\))?\)\)/, "", name)
	sub(/^[ \t]*}[ \t]*/, "", name)
	sub(/[; \t\[].*/, "", name)
	from = mark[--depth]
	if (name != "") {
		for (i = from; i < count; i++)
			field[i] = name "." field[i]
	}
	if (depth == 0)
		exit
	if (name != "")
		add(name)
	next
}
/{[ \t]*$/ {
	mark[depth++] = count + 0
	next
}
depth && /;.*\/\* *[0-9]+(: *[0-9]+)? +[0-9]+ *\*\// {
	name = $0
	gsub(/__attribute__\(\([a-z_]+(\([0-9]+\))?\)\)/, "", name)
	sub(/^[ \t]*\/\*[^*]*\*\//, "", name)
	sub(/;.*/, "", name)
	if (match(name, /\(\*[ \t]*[a-z_0-9]+\)/))
		name = substr(name, RSTART + 2, RLENGTH - 3)
	sub(/:[0-9]+$/, "", name)
	sub(/\[.*/, "", name)
	sub(/[ \t]+$/, "", name)
	sub(/.*[ \t*]/, "", name)
	add(name)
}
END {
	for (i = 0; i < count; i++)
		print field[i], offset[i], size[i]
}

# The comment at the line's end has the offset, with a bit field's bit, and the size.
function add(name, where)
{
	where = $0
	sub(/.*\/\* */, "", where)
	sub(/ *\*\/.*/, "", where)
	if (where !~ /^[0-9]/)
		return
	field[count] = name
	if (where ~ /:/) {
		offset[count] = where
		sub(/: */, ".", offset[count])
		sub(/ .*/, "", offset[count])
	} else {
		offset[count] = where
		sub(/ .*/, "", offset[count])
	}
	size[count] = where
	sub(/.* /, "", size[count])
	count++
}
