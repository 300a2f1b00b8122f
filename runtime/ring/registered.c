/* SPDX-License-Identifier: MIT */
/* The table is address space; the kernel fills in pages as they are written to. */
#include "ring/registered.h"

#include <errno.h>
#include <sys/mman.h>

enum { WORD = 64, WORDS = COIL_FILES / WORD };

static const size_t table_size = COIL__REGISTERED_FDS * sizeof(uint16_t);

static int open_table(struct coil__ring_files *files)
{
    if (files->places != NULL)
        return 0;
    void *table = mmap(NULL, table_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        return -ENOMEM;
    files->places = table;
    return 0;
}

static int find_free(const struct coil__ring_files *files)
{
    for (unsigned word = 0; word < WORDS; word++) {
        uint64_t free = ~files->taken[word];
        if (free != 0)
            return (int)(word * WORD) + __builtin_ctzll(free);
    }
    return -ENOBUFS;
}

static void set(uint64_t bits[WORDS], unsigned place, bool value)
{
    uint64_t bit = UINT64_C(1) << place % WORD;
    bits[place / WORD] = (bits[place / WORD] & ~bit) | (value ? bit : 0);
}

/* An entry that empties a place would take from it what is put there before it is submitted. */
static void finish_releasing(struct coil__ring *ring)
{
    while (ring->files.releasing && coil__ring_unsubmitted(ring) > 0) /* ends: as when it is full */
        coil__ring_enter(ring, 0, COIL_FOREVER);
    ring->files.releasing = false;
}

int coil__registered_add(struct coil__ring *ring, int fd)
{
    struct coil__ring_files *files = &ring->files;
    int err = ring->driver->check_file(fd);
    if (err < 0)
        return err;
    if (fd >= COIL__REGISTERED_FDS)
        return -ENOBUFS;
    err = open_table(files);
    if (err < 0)
        return err;
    coil__registered_remove(ring, fd); /* it may be another file's by now */
    int place = find_free(files);
    if (place < 0)
        return place;
    finish_releasing(ring);
    const struct coil__ring_driver *driver = ring->driver;
    bool known =
        driver->register_file != NULL && driver->register_file(ring, (unsigned)place, fd) == 0;
    set(files->known, (unsigned)place, known);
    set(files->taken, (unsigned)place, true);
    files->places[fd] = (uint16_t)(place + 1);
    return 0;
}

void coil__registered_remove(struct coil__ring *ring, int fd)
{
    struct coil__ring_files *files = &ring->files;
    unsigned place = coil__registered_place(ring, fd);
    if (place == 0)
        return;
    place--;
    if ((files->known[place / WORD] & UINT64_C(1) << place % WORD) != 0) {
        struct io_uring_sqe *sqe = coil__ring_sqe(ring);
        io_uring_prep_close_direct(sqe, place);
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        coil__ring_push(ring, sqe, COIL__TAG_IGNORE);
        files->releasing = true;
    }
    set(files->known, place, false);
    set(files->taken, place, false);
    files->places[fd] = 0;
}

void coil__registered_close(struct coil__ring *ring)
{
    if (ring->files.places != NULL)
        munmap(ring->files.places, table_size);
    ring->files = (struct coil__ring_files){.places = NULL};
}
