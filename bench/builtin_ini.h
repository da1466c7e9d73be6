/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * builtin_ini.h - files of the source tree, as they were when the program was built
 */
#ifndef SIMBENCH_BUILTIN_INI_H
#define SIMBENCH_BUILTIN_INI_H

extern const char builtin_machine_ini[]; /* configs/machines/z3-metal.ini */
extern const char builtin_claims_ini[];	 /* configs/claims/lp2115738.ini */
extern const char builtin_races_ini[];	 /* configs/explore/races.ini */
/* plots/<name>.gp */
extern const char builtin_crosscheck_gp[];
extern const char builtin_style_gp[];
extern const char builtin_lines_gp[];
extern const char builtin_bars_gp[];
extern const char builtin_stacked_gp[];
extern const char builtin_cdf_gp[];
extern const char builtin_scatter_gp[];
extern const char builtin_tornado_gp[];

#endif
