/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * version.h - which simbench this is; the build writes the definitions
 */
#ifndef SIMBENCH_VERSION_H
#define SIMBENCH_VERSION_H

extern const char simbench_version[];
/* Short hash, with "-dirty" when tracked files differ from it; "unknown" outside a git repository. */
extern const char simbench_git_commit[];
extern const char simbench_compiler[];	 /* as "GNU 12.2.0" */
extern const char simbench_build_type[]; /* Release, Debug, Asan, Tsan */

#endif
