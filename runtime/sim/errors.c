/* SPDX-License-Identifier: MIT */
#include "sim/errors.h"

#include "sim/disk.h"
#include "sim/path.h"
#include "sim/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/un.h>

enum {
    NOTHING = COIL__SIM_ON_NOTHING,
    NEW_NAME = COIL__SIM_ON_NEW_NAME,
    FILE_HERE = COIL__SIM_ON_FILE,
    DIRECTORY = COIL__SIM_ON_DIRECTORY,
    CONNECTION = COIL__SIM_ON_CONNECTION,
    STREAM = COIL__SIM_ON_STREAM,
    LISTENER = COIL__SIM_ON_LISTENER,
    QUEUE = COIL__SIM_ON_QUEUE,
    DATAGRAMS = COIL__SIM_ON_DATAGRAMS,
    LOCAL = COIL__SIM_ON_LOCAL,
    PATH = COIL__SIM_ON_PATH,
    WRITING = COIL__SIM_ON_WRITING,
    PEER = COIL__SIM_ON_PEER,
    SOCKET = COIL__SIM_ON_SOCKET,
};

/* Memory is short for what the kernel keeps of an entry that waits, and for the page cache. To UDP
 * that is connected, the next operation tells what routers and hosts have answered to the last. */
static const struct coil__sim_error of_recv[] = {
    {SOCKET, -ENOMEM, 200, COIL__SIM_NOTHING_DONE},
    {CONNECTION, -ECONNRESET, 250, COIL__SIM_RESET_BOTH},
    {PEER, -EHOSTUNREACH, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -ENETUNREACH, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -EHOSTDOWN, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENONET, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENOPROTOOPT, 100, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* XFS has said -EAGAIN to who would have waited. */
static const struct coil__sim_error of_read[] = {
    {FILE_HERE, -EIO, 1000, COIL__SIM_NOTHING_DONE},
    {FILE_HERE, -EAGAIN, 200, COIL__SIM_NOTHING_DONE},
    {FILE_HERE | SOCKET, -ENOMEM, 200, COIL__SIM_NOTHING_DONE},
    {CONNECTION, -ECONNRESET, 250, COIL__SIM_RESET_BOTH},
    {PEER, -EHOSTUNREACH, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -ENETUNREACH, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -EHOSTDOWN, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENONET, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENOPROTOOPT, 100, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* A firewall that has no room to follow one flow more drops datagrams with -EPERM. */
static const struct coil__sim_error of_send[] = {
    {SOCKET, -ENOMEM, 200, COIL__SIM_NOTHING_DONE},
    {CONNECTION, -ECONNRESET, 250, COIL__SIM_RESET_BOTH},
    {DATAGRAMS | LOCAL, -ENOBUFS, 500, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -ENETUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EHOSTUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EPERM, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -EHOSTDOWN, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENONET, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENOPROTOOPT, 100, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* When memory is short a copy is made, so that only coil_send_zc() itself hears of it. */
static const struct coil__sim_error of_send_zc[] = {
    {CONNECTION, -ECONNRESET, 250, COIL__SIM_RESET_BOTH},
    {DATAGRAMS, -ENOBUFS, 500, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -ENETUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EHOSTUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EPERM, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -EHOSTDOWN, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENONET, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENOPROTOOPT, 100, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_write[] = {
    {FILE_HERE, -EIO, 700, COIL__SIM_PART_DONE},
    {FILE_HERE, -ENOSPC, 1000, COIL__SIM_PART_DONE},
    {FILE_HERE, -EDQUOT, 300, COIL__SIM_PART_DONE},
    {FILE_HERE, -EROFS, 200, COIL__SIM_NOTHING_DONE},
    {FILE_HERE | SOCKET, -ENOMEM, 200, COIL__SIM_NOTHING_DONE},
    {CONNECTION, -ECONNRESET, 250, COIL__SIM_RESET_BOTH},
    {DATAGRAMS | LOCAL, -ENOBUFS, 500, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -ENETUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EHOSTUNREACH, 300, COIL__SIM_NOTHING_DONE},
    {DATAGRAMS, -EPERM, 200, COIL__SIM_NOTHING_DONE},
    {PEER, -EHOSTDOWN, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENONET, 100, COIL__SIM_NOTHING_DONE},
    {PEER, -ENOPROTOOPT, 100, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* The reset of a connection that has just been made is told by its connect. */
static const struct coil__sim_error of_connect[] = {
    {STREAM, -ETIMEDOUT, 5000, COIL__SIM_IN_VAIN},
    {STREAM, -ECONNREFUSED, 2000, COIL__SIM_UNCONNECTED},
    {STREAM, -ECONNRESET, 1000, COIL__SIM_UNCONNECTED},
    {STREAM, -EADDRNOTAVAIL, 1000, COIL__SIM_UNCONNECTED}, /* no port is left */
    {STREAM, -EHOSTUNREACH, 1000, COIL__SIM_UNCONNECTED},
    {STREAM, -EHOSTDOWN, 300, COIL__SIM_UNCONNECTED},
    {STREAM, -ENONET, 300, COIL__SIM_UNCONNECTED},
    {STREAM, -ENOPROTOOPT, 300, COIL__SIM_UNCONNECTED},
    {STREAM | DATAGRAMS, -ENETUNREACH, 1000, COIL__SIM_UNCONNECTED},
    {STREAM | DATAGRAMS, -ENOBUFS, 500, COIL__SIM_UNCONNECTED},
    {STREAM | DATAGRAMS | LOCAL, -ENOMEM, 500, COIL__SIM_UNCONNECTED},
    {DATAGRAMS, -EAGAIN, 500, COIL__SIM_NOTHING_DONE}, /* no port is left */
    {PATH, -EACCES, 500, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* Other processes have the last files of the machine. What has befallen a connection that waits is
 * told, and nobody gets it: accept(2) has the list. */
static const struct coil__sim_error of_accept[] = {
    {QUEUE, -ECONNABORTED, 8000, COIL__SIM_ABORTS},
    {QUEUE, -EPROTO, 300, COIL__SIM_ABORTS},
    {QUEUE, -ENOPROTOOPT, 300, COIL__SIM_ABORTS},
    {QUEUE, -ENETDOWN, 300, COIL__SIM_ABORTS},
    {QUEUE, -ENETUNREACH, 300, COIL__SIM_ABORTS},
    {QUEUE, -EHOSTUNREACH, 300, COIL__SIM_ABORTS},
    {QUEUE, -EHOSTDOWN, 300, COIL__SIM_ABORTS},
    {QUEUE, -ENONET, 300, COIL__SIM_ABORTS},
    {LISTENER, -ENFILE, 1000, COIL__SIM_NOTHING_DONE},
    {LISTENER, -ENOBUFS, 500, COIL__SIM_NOTHING_DONE},
    {LISTENER, -ENOMEM, 500, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_socket[] = {
    {NOTHING, -ENFILE, 500, COIL__SIM_NOTHING_DONE},
    {NOTHING, -ENOBUFS, 500, COIL__SIM_NOTHING_DONE},
    {NOTHING, -ENOMEM, 500, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* Another process has the port, or has taken the address from the machine. A path is made as that
 * of a file, and another process may just have made it. */
static const struct coil__sim_error of_bind[] = {
    {STREAM | DATAGRAMS | NEW_NAME, -EADDRINUSE, 1000, COIL__SIM_NOTHING_DONE},
    {STREAM | DATAGRAMS, -EADDRNOTAVAIL, 1000, COIL__SIM_NOTHING_DONE},
    {LOCAL, -ENOMEM, 1000, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -EIO, 500, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -ENOSPC, 500, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -EDQUOT, 300, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -EROFS, 300, COIL__SIM_NOTHING_DONE},
    {PATH, -EACCES, 300, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_listen[] = {
    {STREAM, -EADDRINUSE, 1000, COIL__SIM_NOTHING_DONE},
    {STREAM, -ENOMEM, 500, COIL__SIM_NOTHING_DONE}, /* for who shares its port */
    {0, 0, 0, 0},
};

/* A file system with a broken journal turns read-only. Others may change who may go along a path;
 * and what is done by path is interrupted when the process is stopped, as by SIGSTOP. */
static const struct coil__sim_error of_open[] = {
    {NOTHING, -EIO, 700, COIL__SIM_NOTHING_DONE},
    {NOTHING, -ENFILE, 300, COIL__SIM_NOTHING_DONE},
    {NOTHING, -ENOMEM, 300, COIL__SIM_NOTHING_DONE},
    {NOTHING, -EINTR, 300, COIL__SIM_NOTHING_DONE},
    {PATH, -EACCES, 300, COIL__SIM_NOTHING_DONE},
    {WRITING, -EROFS, 300, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -ENOSPC, 1000, COIL__SIM_NOTHING_DONE},
    {NEW_NAME, -EDQUOT, 300, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_statx[] = {
    {NOTHING, -EIO, 700, COIL__SIM_NOTHING_DONE},
    {NOTHING, -ENOMEM, 300, COIL__SIM_NOTHING_DONE},
    {NOTHING, -EINTR, 300, COIL__SIM_NOTHING_DONE},
    {PATH, -EACCES, 300, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

/* Room is looked for only when what was written goes to the disk. */
static const struct coil__sim_error of_fsync[] = {
    {FILE_HERE, -EIO, 6000, COIL__SIM_UNSYNCED},
    {FILE_HERE, -ENOSPC, 3000, COIL__SIM_UNSYNCED},
    {FILE_HERE, -EDQUOT, 1000, COIL__SIM_UNSYNCED},
    {DIRECTORY, -EIO, 5000, COIL__SIM_UNSYNCED},
    {FILE_HERE | DIRECTORY, -EROFS, 1000, COIL__SIM_UNSYNCED},
    {0, 0, 0, 0},
};

/* A file system that writes only now may fail now, and one of a server be interrupted. */
static const struct coil__sim_error of_close[] = {
    {FILE_HERE, -EIO, 500, COIL__SIM_ALL_DONE},
    {FILE_HERE, -ENOSPC, 300, COIL__SIM_ALL_DONE},
    {FILE_HERE, -EDQUOT, 300, COIL__SIM_ALL_DONE},
    {FILE_HERE, -EINTR, 300, COIL__SIM_ALL_DONE},
    {0, 0, 0, 0},
};

/* Of the driver that waits by epoll, and of files with two queues. */
static const struct coil__sim_error of_poll[] = {
    {SOCKET | LISTENER, -ENOMEM, 200, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_wake[] = {
    {NOTHING, -ENOMEM, 1000, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error of_timeout[] = {
    {NOTHING, -ENOMEM, 500, COIL__SIM_NOTHING_DONE},
    {0, 0, 0, 0},
};

static const struct coil__sim_error *const lists[] = {
    [IORING_OP_READ] = of_read,       [IORING_OP_READV] = of_read,
    [IORING_OP_RECV] = of_recv,       [IORING_OP_RECVMSG] = of_recv,
    [IORING_OP_WRITE] = of_write,     [IORING_OP_WRITEV] = of_write,
    [IORING_OP_SEND] = of_send,       [IORING_OP_SENDMSG] = of_send,
    [IORING_OP_SEND_ZC] = of_send_zc, [IORING_OP_CONNECT] = of_connect,
    [IORING_OP_ACCEPT] = of_accept,   [IORING_OP_SOCKET] = of_socket,
    [COIL__OP_BIND] = of_bind,        [COIL__OP_LISTEN] = of_listen,
    [IORING_OP_OPENAT] = of_open,     [IORING_OP_STATX] = of_statx,
    [IORING_OP_FSYNC] = of_fsync,     [IORING_OP_CLOSE] = of_close,
    [IORING_OP_MSG_RING] = of_wake,   [IORING_OP_TIMEOUT] = of_timeout,
    [IORING_OP_POLL_ADD] = of_poll,
};

const struct coil__sim_error *coil__sim_errors_of(unsigned opcode)
{
    static const struct coil__sim_error none;
    bool known = opcode < sizeof(lists) / sizeof(lists[0]) && lists[opcode] != NULL;
    return known ? lists[opcode] : &none;
}

/* ---- what an operation is about ---- */

static const char *path_of(const struct io_uring_sqe *sqe)
{
    return (const char *)(uintptr_t)sqe->addr;
}

static unsigned open_subjects(const struct io_uring_sqe *sqe)
{
    struct coil__sim_path path;
    unsigned flags = sqe->open_flags;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    bool makes_name = (flags & O_CREAT) != 0 &&
                      coil__sim_path_read(&path, NULL, path_of(sqe)) == 0 &&
                      coil__sim_disk_find(path.text) == NULL;
    return NOTHING | PATH | (writes ? WRITING : 0) | (makes_name ? NEW_NAME : 0);
}

/* Of those that need no file. */
static unsigned subjects_without(const struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_OPENAT)
        return open_subjects(sqe);
    bool by_path = sqe->opcode == IORING_OP_STATX && path_of(sqe) != NULL && *path_of(sqe) != '\0';
    return by_path ? NOTHING | PATH : NOTHING;
}

static unsigned stream_subjects(const struct coil__sim_socket *socket)
{
    bool is_local = socket->domain == AF_UNIX;
    if (socket->state == COIL__SIM_LISTENING)
        return is_local || coil__list_empty(&socket->queue) ? LISTENER : LISTENER | QUEUE;
    if (is_local)
        return LOCAL;
    bool is_open = socket->state == COIL__SIM_CONNECTED && !socket->reset && socket->error == 0 &&
                   !socket->silent && !socket->sends_no_more && !socket->reads_no_more &&
                   !socket->peer_sends_no_more;
    return is_open ? CONNECTION : STREAM;
}

/* What more is to be said of a Unix socket that is given a name, or goes to one. */
static unsigned name_subjects(const struct io_uring_sqe *sqe)
{
    const struct sockaddr_un *name = (const struct sockaddr_un *)(uintptr_t)sqe->addr;
    bool binds = sqe->opcode == COIL__OP_BIND;
    if (!binds && sqe->opcode != IORING_OP_CONNECT)
        return 0;
    if (sqe->off <= offsetof(struct sockaddr_un, sun_path) || name->sun_path[0] == '\0')
        return 0;
    return binds ? PATH | NEW_NAME : PATH;
}

static unsigned socket_subjects(const struct io_uring_sqe *sqe,
                                const struct coil__sim_socket *socket)
{
    unsigned more = socket->domain == AF_UNIX ? name_subjects(sqe) : 0;
    if (socket->type == SOCK_STREAM)
        return stream_subjects(socket) | more;
    if (socket->domain == AF_UNIX)
        return LOCAL | more;
    return socket->state == COIL__SIM_CONNECTED ? DATAGRAMS | PEER : DATAGRAMS;
}

static unsigned subjects_of(const struct coil__sim_op *op, struct coil__sim_file *file)
{
    if (file == NULL)
        return subjects_without(&op->sqe);
    if (file->kind->is_socket)
        return socket_subjects(&op->sqe, coil__sim_socket_of(file));
    return coil__sim_is_regular(file) ? FILE_HERE : coil__sim_is_directory(file) ? DIRECTORY : 0;
}

/* ---- what becomes of it ---- */

/* A short count first: the error is what the next one comes to. */
static int32_t do_part(struct coil__sim_op *op, struct coil__sim_file *file, int32_t error)
{
    coil__assert(file != NULL); /* only what moves bytes is done in part */
    if (coil__sim_below(2) == 0)
        return error;
    coil__sim.forced.halves = true;
    int32_t result = op->code->attempt(op);
    coil__sim.forced.halves = false;
    file->owed = result > 0 ? error : 0;
    return result;
}

static int32_t fail(struct coil__sim_op *op, struct coil__sim_file *file,
                    const struct coil__sim_error *error)
{
    switch (error->harm) {
    case COIL__SIM_PART_DONE:
        return do_part(op, file, error->error);
    case COIL__SIM_RESET_BOTH:
        return coil__sim_reset(op, coil__sim_socket_of(file));
    case COIL__SIM_ABORTS:
        coil__sim_abort_first(coil__sim_socket_of(file));
        return error->error;
    case COIL__SIM_UNCONNECTED:
        coil__sim_leave_port(coil__sim_socket_of(file));
        return error->error;
    case COIL__SIM_IN_VAIN:
        op->in_vain = true;
        return 0;
    case COIL__SIM_UNSYNCED:
        coil__sim_lose_unsynced(file);
        return error->error;
    default: /* what has moved wins */
        return op->progress > 0 ? (int32_t)op->progress : error->error;
    }
}

static int32_t draw(struct coil__sim_op *op, struct coil__sim_file *file, uint32_t number)
{
    unsigned subjects = subjects_of(op, file);
    const struct coil__sim_error *error = coil__sim_errors_of(op->sqe.opcode);
    for (; error->error != 0; error++) {
        if ((error->subjects & subjects) == 0)
            continue;
        if (number < error->of_million)
            return fail(op, file, error);
        number -= error->of_million;
    }
    return 0;
}

static int32_t ask(struct coil__sim_op *op, struct coil__sim_file *file)
{
    const struct coil__sim_error *errors = coil__sim_errors_of(op->sqe.opcode);
    if (errors->error == 0 || coil__sim.knobs.faults != COIL_SIM_FAULTS_HARSH)
        return 0;
    if (file != NULL && file->owed != 0 && errors == of_write) {
        int32_t owed = file->owed;
        file->owed = 0;
        return owed;
    }
    uint32_t number = coil__sim_below(1000000);
    return number < COIL__SIM_ERRORS_MOST ? draw(op, file, number) : 0;
}

/* Some were asked at the start, and nobody refuses whom nobody hears. */
int32_t coil__sim_error_of_attempt(struct coil__sim_op *op)
{
    bool was_asked = op->sqe.opcode == IORING_OP_CLOSE || op->sqe.opcode == IORING_OP_MSG_RING;
    return was_asked || op->in_vain ? 0 : ask(op, op->file);
}

int32_t coil__sim_error_of_start(struct coil__sim_op *op, struct coil__sim_file *file)
{
    return ask(op, file);
}
