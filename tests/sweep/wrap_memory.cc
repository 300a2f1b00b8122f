/* SPDX-License-Identifier: MIT */
/* Memory and address space, as the library asks for them. */
#include "sweep/fault.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace coil_test;

namespace {

void count(long Ledger::*member, long by)
{
    __atomic_fetch_add(&(ledger().*member), by, __ATOMIC_RELAXED);
}

bool no_memory(const char *name)
{
    return fails_by_errno(Kind::kMemory, Row{name, {ENOMEM}});
}

void *counted(void *block)
{
    if (block != nullptr)
        count(&Ledger::blocks, 1);
    return block;
}

} // namespace

extern "C" {

void *sweep_malloc(size_t size)
{
    return no_memory("malloc") ? nullptr : counted(malloc(size));
}

void *sweep_calloc(size_t count, size_t size)
{
    return no_memory("calloc") ? nullptr : counted(calloc(count, size));
}

void *sweep_realloc(void *block, size_t size)
{
    if (no_memory("realloc"))
        return nullptr;
    void *moved = realloc(block, size);
    return block == nullptr ? counted(moved) : moved;
}

void *sweep_aligned_alloc(size_t alignment, size_t size)
{
    return no_memory("aligned_alloc") ? nullptr : counted(aligned_alloc(alignment, size));
}

char *sweep_strdup(const char *text)
{
    return no_memory("strdup") ? nullptr : static_cast<char *>(counted(strdup(text)));
}

void sweep_free(void *block)
{
    if (block != nullptr)
        count(&Ledger::blocks, -1);
    free(block);
}

void *sweep_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (no_memory("mmap"))
        return MAP_FAILED;
    void *memory = mmap(at, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED)
        count(&Ledger::bytes, long(size));
    return memory;
}

int sweep_munmap(void *at, size_t size)
{
    count(&Ledger::bytes, -long(size));
    return munmap(at, size);
}

/* To split a mapping takes memory, and there is a limit to their number. */
int sweep_mprotect(void *at, size_t size, int protection)
{
    return no_memory("mprotect") ? -1 : mprotect(at, size, protection);
}

int sweep_madvise(void *at, size_t size, int advice)
{
    return no_memory("madvise") ? -1 : madvise(at, size, advice);
}

} // extern "C"
