/* SPDX-License-Identifier: MIT */
/* A folder for temporary files, gone when the process is, even if that is killed. */
#ifndef BENCH_TEMP_DIR_H
#define BENCH_TEMP_DIR_H

/*
 * The path of this process's own folder below TMPDIR or /tmp, made by the first call. NULL when it
 * cannot be made. Everything in it, but no folder in it, is removed when the process has ended.
 */
const char *temp_dir(void);

#endif
