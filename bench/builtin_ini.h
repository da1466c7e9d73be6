/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * builtin_ini.h - configs/machines/z3-metal.ini, as it was when the program was built
 */
#ifndef SIMBENCH_BUILTIN_INI_H
#define SIMBENCH_BUILTIN_INI_H

extern const char builtin_machine_ini[];

#endif
