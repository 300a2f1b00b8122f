/* SPDX-License-Identifier: MIT */
/* What a descriptor of the simulated process stands for, and the table of descriptors. */
#ifndef COIL_SIM_FILE_H
#define COIL_SIM_FILE_H

#include "sim/op.h"
#include "sim/transfer.h"

/* What differs between the things that may be open. */
struct coil__sim_file_kind {
    const char *name;
    bool is_socket;
    /* What all opcodes do, in place of their own attempts, and of the three below; or NULL. */
    int32_t (*attempt)(struct coil__sim_op *op);
    /* What of POLLIN and the like holds. */
    uint32_t (*events)(const struct coil__sim_file *file);
    /* Tries to move bytes; returns as an attempt does. NULL: -EINVAL. */
    int32_t (*read)(struct coil__sim_op *op, struct coil__sim_transfer *transfer);
    int32_t (*write)(struct coil__sim_op *op, struct coil__sim_transfer *transfer);
    /* Nobody has it open or works on it any more: frees it. */
    void (*end)(struct coil__sim_file *file);
};

struct coil__sim_file {
    const struct coil__sim_file_kind *kind;
    unsigned references;      /* the table's, and of operations in flight */
    int32_t owed;             /* -errno: what the next write comes to; 0: nothing */
    struct coil_link waiters; /* operations parked until it has news, longest first */
};

/* Numbers begin here; those below are the process's own. */
enum { COIL__SIM_FIRST_FD = 1000 };

/* Opens the table, with room for so many / closes it and all that is in it. */
int coil__sim_files_open(unsigned count);
void coil__sim_files_close(void);

/* Prepares a file with one reference. */
void coil__sim_file_init(struct coil__sim_file *file, const struct coil__sim_file_kind *kind);

/* Gives the file, and the reference to it, the lowest free number; -EMFILE: none is left. */
int coil__sim_file_install(struct coil__sim_file *file);

/* Whether a number is left. */
bool coil__sim_file_has_room(void);

/* Takes the file from its number, with the reference; NULL: none is open there. */
struct coil__sim_file *coil__sim_file_remove(int fd);

/* The file of a number; NULL: none is open there. */
struct coil__sim_file *coil__sim_file_at(int fd);

/* One reference more / less; the last one ends it. */
void coil__sim_file_get(struct coil__sim_file *file);
void coil__sim_file_put(struct coil__sim_file *file);

/* Lets all that wait for it try again. */
void coil__sim_file_news(struct coil__sim_file *file);

/* Whether the opcode is for sockets only, and has their flags. */
bool coil__sim_wants_socket(const struct coil__sim_op *op);

/* The attempts of the opcodes that move bytes, and of those for any file. */
int32_t coil__sim_read(struct coil__sim_op *op);
int32_t coil__sim_write(struct coil__sim_op *op);
int64_t coil__sim_read_start(struct coil__sim_op *op);
int64_t coil__sim_close_start(struct coil__sim_op *op);
int32_t coil__sim_poll(struct coil__sim_op *op);

#endif
