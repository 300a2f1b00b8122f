/* SPDX-License-Identifier: MIT */
/*
 * Every operation, ended by the kernel with every result, at every moment: its caller is told what
 * the table says, no descriptor is lost, nothing is left in flight, and the buffer is the caller's
 * again.
 */
#include "sim/network.h"
#include "sim/simulate.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <sys/stat.h>
extern "C" {
#include "sim/errors.h"
#include "sim/force.h"
#include "ring/op.h"
}

using namespace coil_test;

namespace {

enum Moment { FIRST, AFTER_A_PART, DURING_CANCEL, DURING_SHUTDOWN };

const Moment kMoments[] = {FIRST, AFTER_A_PART, DURING_CANCEL, DURING_SHUTDOWN};
const char *const kMomentNames[] = {"first", "after a part", "during a cancel",
                                    "during the shutdown"};

/* -512 is the kernel's ERESTARTSYS, which is no errno and must never be told. */
const int kResults[] = {-EAGAIN,    -EBADF,  -ECONNRESET, -EPIPE,    -ENOMEM,       -ENOBUFS,
                        -EMFILE,    -ENFILE, -EINTR,      -EIO,      -ENOSPC,       -ECANCELED,
                        -ETIMEDOUT, -EINVAL, -EACCES,     -ENOTSOCK, -ECONNABORTED, -EOPNOTSUPP,
                        -ENOTCONN,  -EPERM,  -512};

/* What a caller may expect beside an error: the operation was done, later or in part. */
constexpr int kSucceeds = 1;

/* What the operations have to work on. */
struct World {
    int listener, client, server, pending, file;
    char buffer[64];
    bool comes; /* all that is to be received */
    bool parts; /* each operation is done twice, or in two parts, of which the second is forced */
};

void make(World &world)
{
    sockaddr_in name = loopback(80);
    world.listener = coil_tcp_listen(reinterpret_cast<sockaddr *>(&name), sizeof(name), 16);
    world.client = connect_to(80);
    world.server = coil_accept(world.listener, nullptr, nullptr, 0);
    world.pending = connect_to(80);
    EXPECT_GE(world.client, 0);
    EXPECT_GE(world.pending, 0);
    world.file = coil_open("matrix", O_RDWR | O_CREAT, 0600);
    memset(world.buffer, 'd', sizeof(world.buffer));
    EXPECT_EQ(64, coil_write(world.file, world.buffer, 64));
    EXPECT_EQ(8, coil_send(world.server, world.buffer, 8, 0));
    EXPECT_EQ(8, coil_pwrite(world.file, world.buffer, 8, 0));
    EXPECT_EQ(0, coil_sleep(10 * COIL_MSEC)); /* until it has arrived */
}

void unmake(World &world)
{
    for (int fd : {world.listener, world.client, world.server, world.pending, world.file})
        coil_close(fd);
}

using Call = ssize_t (*)(World &);
using Rule = int (*)(int result, Moment moment);

/* ---- what the table may say ---- */

bool means_cancelled(int result)
{
    return result == -EINTR || result == -512 || result == -ECANCELED;
}

/* Where nobody has stopped it, the process was. */
bool means_interrupted(int result, Moment moment)
{
    return (result == -EINTR || result == -512) && (moment == FIRST || moment == AFTER_A_PART);
}

/* The result itself; and that a system call was interrupted means that it was stopped. */
int told(int result, Moment moment)
{
    if (means_interrupted(result, moment))
        return -EINTR;
    return means_cancelled(result) ? -ECANCELED : result;
}

/* Nothing stops it, and it has closed. */
int told_of_close(int result, Moment)
{
    return result == -512 ? -EINTR : result;
}

/* What has moved wins over a cancellation, and what was interrupted is done again. */
int told_of_all(int result, Moment moment)
{
    if (means_interrupted(result, moment))
        return kSucceeds;
    return means_cancelled(result) && moment == AFTER_A_PART ? kSucceeds : told(result, moment);
}

/* Where it can't be done without a copy, one is made; unless it is to end. */
bool means_copying(int result)
{
    return result == -EOPNOTSUPP || result == -ENOMEM;
}

int told_of_send_zc(int result, Moment moment)
{
    if (!means_copying(result))
        return told(result, moment);
    return moment >= DURING_CANCEL ? -ECANCELED : kSucceeds;
}

int told_of_send_zc_all(int result, Moment moment)
{
    return means_copying(result) ? told_of_send_zc(result, moment) : told_of_all(result, moment);
}

/* Who is queued is taken all the same when all comes to its end. */
int told_of_accept(int result, Moment moment)
{
    bool is_stop = moment == DURING_SHUTDOWN && means_cancelled(result);
    return is_stop ? kSucceeds : told(result, moment);
}

/* The listener's errors are told; connections that died are passed over, and so are bad times. */
int told_of_acceptor(int result, Moment moment)
{
    bool of_listener = result == -EINVAL || result == -EBADF || result == -ENOTSOCK ||
                       result == -EOPNOTSUPP || result == -EACCES || result == -EPERM;
    if (moment == DURING_CANCEL)
        return -ECANCELED;
    if (of_listener)
        return result;
    bool is_stop = moment == DURING_SHUTDOWN;
    return result == -ECANCELED && !is_stop ? result : kSucceeds;
}

int told_of_receiver(int result, Moment moment)
{
    if (moment == DURING_CANCEL || moment == DURING_SHUTDOWN)
        return -ECANCELED;
    return result == -ENOBUFS || result == -EINTR ? kSucceeds : result;
}

/* ---- the operations ---- */

/* Twice, where an operation has no parts. */
ssize_t repeat(World &world, Call call)
{
    ssize_t first = world.parts ? call(world) : 0;
    EXPECT_GE(first, 0);
    return first < 0 ? first : call(world);
}

ssize_t on_socket(ssize_t (*call)(int fd))
{
    int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_GE(fd, 1000);
    ssize_t result = call(fd);
    coil_close(fd);
    return result;
}

ssize_t do_bind(int fd)
{
    sockaddr_in name = loopback(0);
    return coil_bind(fd, reinterpret_cast<sockaddr *>(&name), sizeof(name));
}

ssize_t do_connect(int fd)
{
    sockaddr_in name = loopback(80);
    return coil_connect(fd, reinterpret_cast<sockaddr *>(&name), sizeof(name));
}

ssize_t do_listen(int fd)
{
    return coil_listen(fd, 1);
}

ssize_t closed(ssize_t fd)
{
    if (fd >= 0)
        coil_close(int(fd));
    return fd;
}

ssize_t message_of(World &world, ssize_t (*call)(int fd, msghdr *message))
{
    iovec pieces[] = {{world.buffer, 2}, {world.buffer + 2, 2}};
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    return call(world.client, &message);
}

ssize_t pieces_of(World &world, bool writes, bool at_offset)
{
    iovec pieces[] = {{world.buffer, 2}, {world.buffer + 2, 2}};
    if (at_offset)
        return writes ? coil_pwritev(world.file, pieces, 2, 1)
                      : coil_preadv(world.file, pieces, 2, 1);
    return writes ? coil_writev(world.client, pieces, 2) : coil_readv(world.client, pieces, 2);
}

/* Half of it is there; the rest comes when that has been taken. */
ssize_t receive_all(World &world)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    if (world.comes) {
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_sleep(COIL_MSEC));
            char rest[8] = {};
            EXPECT_EQ(8, coil_send(world.server, rest, 8, 0));
            return 0;
        });
    }
    ssize_t result = coil_recv_all(world.client, world.buffer, 16, 0);
    EXPECT_EQ(0, coil_scope_cancelled(&scope) ? 0 : coil_scope_close(&scope, 0));
    return result;
}

ssize_t next_connection(World &world)
{
    coil_acceptor acceptor = COIL_ZERO;
    coil_acceptor_open(&acceptor, world.listener, 0);
    ssize_t result = closed(coil_acceptor_next(&acceptor));
    if (world.parts) {
        EXPECT_GE(result, 1000);
        EXPECT_GE(closed(connect_to(80)), 0);
        result = closed(coil_acceptor_next(&acceptor));
    }
    coil_acceptor_close(&acceptor);
    return result;
}

ssize_t received(coil_receiver &receiver)
{
    void *data;
    ssize_t len = coil_receiver_next(&receiver, &data);
    if (len > 0)
        coil_buffer_release(data);
    return len;
}

ssize_t next_data(World &world)
{
    coil_receiver receiver = COIL_ZERO;
    coil_receiver_open(&receiver, world.client);
    ssize_t result = received(receiver);
    if (world.parts) {
        EXPECT_GT(result, 0);
        EXPECT_EQ(8, coil_send(world.server, world.buffer, 8, 0));
        result = received(receiver);
    }
    coil_receiver_close(&receiver);
    return result;
}

struct Operation {
    const char *name;
    unsigned opcode;
    Rule rule;
    bool has_parts; /* else it is done twice */
    Call call;
    bool ignores_cancellation = false;
};

void PrintTo(const Operation &operation, std::ostream *out)
{
    *out << operation.name;
}

const Operation kOperations[] = {
    {"Nop", IORING_OP_NOP, told, false, [](World &) { return ssize_t(coil_nop()); }},
    {"Read", IORING_OP_READ, told, false,
     [](World &w) { return coil_read(w.client, w.buffer, 4); }},
    {"Write", IORING_OP_WRITE, told, false,
     [](World &w) { return coil_write(w.client, w.buffer, 4); }},
    {"Readv", IORING_OP_READV, told, false, [](World &w) { return pieces_of(w, false, false); }},
    {"Writev", IORING_OP_WRITEV, told, false, [](World &w) { return pieces_of(w, true, false); }},
    {"Pread", IORING_OP_READ, told, false,
     [](World &w) { return coil_pread(w.file, w.buffer, 8, 3); }},
    {"Pwrite", IORING_OP_WRITE, told, false,
     [](World &w) { return coil_pwrite(w.file, w.buffer, 8, 3); }},
    {"Preadv", IORING_OP_READV, told, false, [](World &w) { return pieces_of(w, false, true); }},
    {"Pwritev", IORING_OP_WRITEV, told, false, [](World &w) { return pieces_of(w, true, true); }},
    {"ReadAll", IORING_OP_READ, told_of_all, true,
     [](World &w) { return coil_read_all(w.client, w.buffer, 8); }},
    {"WriteAll", IORING_OP_WRITE, told_of_all, true,
     [](World &w) { return coil_write_all(w.client, w.buffer, 8); }},
    {"PreadAll", IORING_OP_READ, told_of_all, true,
     [](World &w) { return coil_pread_all(w.file, w.buffer, 8, 0); }},
    {"PwriteAll", IORING_OP_WRITE, told_of_all, true,
     [](World &w) { return coil_pwrite_all(w.file, w.buffer, 8, 0); }},
    {"Recv", IORING_OP_RECV, told, false,
     [](World &w) { return coil_recv(w.client, w.buffer, 4, 0); }},
    {"Send", IORING_OP_SEND, told, false,
     [](World &w) { return coil_send(w.client, w.buffer, 4, 0); }},
    {"SendZc", IORING_OP_SEND_ZC, told_of_send_zc, false,
     [](World &w) { return coil_send_zc(w.client, w.buffer, 4, 0); }},
    {"SendZcAll", IORING_OP_SEND_ZC, told_of_send_zc_all, true,
     [](World &w) { return coil_send_zc_all(w.client, w.buffer, 8, 0); }},
    {"Recvmsg", IORING_OP_RECVMSG, told, false,
     [](World &w) {
         return message_of(w, [](int fd, msghdr *m) { return ssize_t(coil_recvmsg(fd, m, 0)); });
     }},
    {"Sendmsg", IORING_OP_SENDMSG, told, false,
     [](World &w) {
         return message_of(w, [](int fd, msghdr *m) { return ssize_t(coil_sendmsg(fd, m, 0)); });
     }},
    {"RecvAll", IORING_OP_RECV, told_of_all, true, receive_all},
    {"SendAll", IORING_OP_SEND, told_of_all, true,
     [](World &w) { return coil_send_all(w.client, w.buffer, 8, 0); }},
    {"Poll", IORING_OP_POLL_ADD, told, false,
     [](World &w) { return ssize_t(coil_poll(w.client, POLLIN)); }},
    {"Close", IORING_OP_CLOSE, told_of_close, false,
     [](World &w) {
         int fd = w.pending;
         w.pending = -1;
         if (fd < 0) /* the second time */
             std::swap(fd, w.server);
         return ssize_t(coil_close(fd));
     },
     true},
    {"Socket", IORING_OP_SOCKET, told, false,
     [](World &) { return closed(coil_socket(AF_INET, SOCK_STREAM, 0)); }},
    {"Bind", COIL__OP_BIND, told, false, [](World &) { return on_socket(do_bind); }},
    {"Listen", COIL__OP_LISTEN, told, false, [](World &) { return on_socket(do_listen); }},
    {"Connect", IORING_OP_CONNECT, told, false, [](World &) { return on_socket(do_connect); }},
    {"Accept", IORING_OP_ACCEPT, told_of_accept, false,
     [](World &w) { return closed(coil_accept(w.listener, nullptr, nullptr, 0)); }},
    {"Acceptor", IORING_OP_ACCEPT, told_of_acceptor, true, next_connection},
    {"Receiver", IORING_OP_RECV, told_of_receiver, true, next_data},
    {"Shutdown", IORING_OP_SHUTDOWN, told, false,
     [](World &w) { return ssize_t(coil_shutdown(w.client, SHUT_WR)); }},
    {"Open", IORING_OP_OPENAT, told, false,
     [](World &) { return closed(coil_open("other", O_RDWR | O_CREAT, 0600)); }},
    {"Statx", IORING_OP_STATX, told, false,
     [](World &) {
         struct statx out;
         return ssize_t(coil_statx(AT_FDCWD, "matrix", 0, STATX_SIZE, &out));
     }},
    {"Fsync", IORING_OP_FSYNC, told, false, [](World &w) { return ssize_t(coil_fsync(w.file)); }},
    {"Fdatasync", IORING_OP_FSYNC, told, false,
     [](World &w) { return ssize_t(coil_fdatasync(w.file)); }},
};

/* ---- a cell ---- */

coil__sim_moment force_at(const Operation &operation, Moment moment)
{
    if (moment == AFTER_A_PART)
        return COIL__SIM_AFTER_PART;
    bool is_stop = moment != FIRST && !operation.ignores_cancellation;
    return is_stop ? COIL__SIM_WHEN_STOPPED : COIL__SIM_AT_FIRST;
}

/* Makes the call, and looks at what it leaves. */
int do_cell(const Operation &operation, Moment moment, int result)
{
    World world = {};
    world.parts = moment == AFTER_A_PART;
    world.comes = moment == AFTER_A_PART || moment == FIRST;
    make(world);
    if (operation.ignores_cancellation && moment >= DURING_CANCEL) {
        EXPECT_EQ(-ECANCELED, wait_for_ever());
    }
    unsigned in_flight = coil__ring_here->in_flight;
    coil__sim_force(operation.opcode, force_at(operation, moment), result);
    ssize_t is_told = operation.has_parts ? operation.call(world) : repeat(world, operation.call);
    EXPECT_FALSE(coil__sim_force_waits());
    EXPECT_EQ(in_flight, coil__ring_here->in_flight);
    memset(world.buffer, 'c', sizeof(world.buffer));
    unmake(world);
    EXPECT_EQ(0u, coil__sim_files_count());
    EXPECT_EQ(std::string(64, 'c'), std::string(world.buffer, 64));
    int expected = operation.rule(result, moment);
    if (expected == kSucceeds) {
        EXPECT_GE(is_told, 0);
    } else {
        EXPECT_EQ(expected, is_told);
    }
    return 0;
}

/* In a child, which is then cancelled by its scope, or with everything. */
int do_stopped_cell(const Operation &operation, Moment moment, int result)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    children.start(scope, [&] { return do_cell(operation, moment, result); });
    EXPECT_EQ(0, coil_sleep(COIL_SEC));
    if (moment == DURING_SHUTDOWN)
        coil_stop(COIL_SEC);
    else
        coil_scope_cancel(&scope);
    int closed = coil_scope_close(&scope, 0);
    EXPECT_TRUE(closed == 0 || closed == -ECANCELED) << closed;
    return 0;
}

/* Those above, and what the operation really fails with (sim/errors.h). */
std::set<int> results_of(const Operation &operation)
{
    std::set<int> results(std::begin(kResults), std::end(kResults));
    const coil__sim_error *error = coil__sim_errors_of(operation.opcode);
    for (; error->error != 0; error++)
        results.insert(error->error);
    return results;
}

class SimMatrix : public testing::TestWithParam<Operation> {};

TEST_P(SimMatrix, TellsWhatTheTableSaysAndLeavesNothing)
{
    const Operation &operation = GetParam();
    for (Moment moment : kMoments) {
        for (int result : results_of(operation)) {
            SCOPED_TRACE(std::string(kMomentNames[moment]) + ": " + std::to_string(result));
            auto cell = moment >= DURING_CANCEL ? do_stopped_cell : do_cell;
            Simulated outcome = simulate(
                1, [&] { return cell(operation, moment, result); }, 1,
                ",faults=off,descriptors=16");
            EXPECT_EQ(0, outcome.result);
            EXPECT_EQ(1u, outcome.log.size()) << outcome.log[0];
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Each, SimMatrix, testing::ValuesIn(kOperations),
                         [](const testing::TestParamInfo<Operation> &operation) {
                             return std::string(operation.param.name);
                         });

} // namespace
