/* SPDX-License-Identifier: MIT */
/* On bad days every operation fails with every error of its list, and with no other; and what a
 * failure does is done. */
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <map>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <sys/un.h>
extern "C" {
#include "sim/errors.h"
#include "ring/op.h"
}

using namespace coil_test;

namespace {

/* Where nothing fails. */
template <class Work> auto calmly(Work work)
{
    coil_sim_set_faults(COIL_SIM_FAULTS_OFF);
    auto result = work();
    coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
    return result;
}

struct Name {
    sockaddr_storage storage = {};
    socklen_t len;

    Name(int domain, uint16_t port)
    {
        if (domain == AF_UNIX) {
            auto *local = reinterpret_cast<sockaddr_un *>(&storage);
            local->sun_family = AF_UNIX;
            snprintf(local->sun_path, sizeof(local->sun_path), "/socket-%u", port);
            len = sizeof(*local);
            return;
        }
        auto *name = reinterpret_cast<sockaddr_in *>(&storage);
        name->sin_family = AF_INET;
        name->sin_port = htons(port);
        name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        len = sizeof(*name);
    }
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage); }
};

int bound(int domain, int type, uint16_t port)
{
    Name name(domain, port);
    int fd = coil_socket(domain, type, 0);
    EXPECT_EQ(0, coil_bind(fd, name.get(), name.len));
    return fd;
}

int listener_at(int domain, uint16_t port)
{
    int fd = bound(domain, SOCK_STREAM, port);
    EXPECT_EQ(0, coil_listen(fd, 16));
    return fd;
}

ssize_t connect_to(int fd, int domain, uint16_t port)
{
    Name name(domain, port);
    return coil_connect(fd, name.get(), name.len);
}

struct Pair {
    int here = -1, there = -1;

    void close()
    {
        for (int *fd : {&here, &there}) {
            if (*fd >= 0)
                coil_close(*fd);
            *fd = -1;
        }
    }
};

Pair connected(int domain, int listener)
{
    Pair pair;
    pair.here = coil_socket(domain, SOCK_STREAM, 0);
    EXPECT_EQ(0, connect_to(pair.here, domain, 80));
    pair.there = coil_accept(listener, nullptr, nullptr, 0);
    return pair;
}

/* ---- what moves bytes ---- */

struct Mover {
    unsigned opcode;
    bool reads;
    ssize_t (*move)(int fd, char *byte);
};

ssize_t with_message(ssize_t (*call)(int, msghdr *, int), int fd, char *byte)
{
    iovec piece = {byte, 1};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return call(fd, &message, 0);
}

const Mover kMovers[] = {
    {IORING_OP_READ, true, [](int fd, char *byte) { return coil_read(fd, byte, 1); }},
    {IORING_OP_READV, true,
     [](int fd, char *byte) {
         iovec piece = {byte, 1};
         return coil_readv(fd, &piece, 1);
     }},
    {IORING_OP_RECV, true, [](int fd, char *byte) { return coil_recv(fd, byte, 1, 0); }},
    {IORING_OP_RECVMSG, true,
     [](int fd, char *byte) { return with_message(coil_recvmsg, fd, byte); }},
    {IORING_OP_WRITE, false, [](int fd, char *byte) { return coil_write(fd, byte, 1); }},
    {IORING_OP_WRITEV, false,
     [](int fd, char *byte) {
         iovec piece = {byte, 1};
         return coil_writev(fd, &piece, 1);
     }},
    {IORING_OP_SEND, false, [](int fd, char *byte) { return coil_send(fd, byte, 1, 0); }},
    {IORING_OP_SEND_ZC, false, [](int fd, char *byte) { return coil_send_zc(fd, byte, 1, 0); }},
    {IORING_OP_SENDMSG, false,
     [](int fd, char *byte) {
         return with_message(
             [](int to, msghdr *message, int flags) { return coil_sendmsg(to, message, flags); },
             fd, byte);
     }},
    {IORING_OP_POLL_ADD, true, [](int fd, char *) { return ssize_t(coil_poll(fd, POLLIN)); }},
};

/* ---- how each is driven ---- */

using Seen = std::set<int>;
using Cell = std::pair<unsigned, unsigned>; /* opcode, subject */

/* What the list has for it. */
Seen due(unsigned opcode, unsigned subjects)
{
    Seen errors;
    for (const coil__sim_error *error = coil__sim_errors_of(opcode); error->error != 0; error++) {
        if ((error->subjects & subjects) != 0)
            errors.insert(error->error);
    }
    return errors;
}

class Driver {
public:
    std::map<Cell, Seen> seen;

    /* Calls it until each error was seen, and often enough to see others, if there were any. */
    template <class Call>
    void drive(unsigned opcode, unsigned subjects, Call call, const Seen &of_state = {})
    {
        constexpr int kLeast = 2000, kMost = 200000;
        Seen errors = due(opcode, subjects), got;
        SCOPED_TRACE("opcode " + std::to_string(opcode) + " on " + std::to_string(subjects));
        for (int i = 0; i < kMost && (got.size() < errors.size() || i < kLeast); i++) {
            ssize_t result = call();
            bool is_due = errors.count(int(result)) > 0;
            if (is_due)
                got.insert(int(result));
            ASSERT_TRUE(result >= 0 || is_due || of_state.count(int(result)) > 0) << result;
        }
        EXPECT_EQ(errors, got);
        for (unsigned bit = 1; bit < COIL__SIM_SUBJECTS_END; bit <<= 1) {
            if ((subjects & bit) != 0)
                seen[{opcode, bit}].insert(got.begin(), got.end());
        }
    }

    /* Through a pair of sockets, which is made again when it breaks, filled and emptied. */
    template <class Make>
    void drive_pair(unsigned subjects, Make make, const Seen &of_reads = {},
                    const Seen &of_writes = {})
    {
        for (const Mover &mover : kMovers) {
            Pair pair;
            int left = 0;
            Seen of_state = mover.reads ? of_reads : of_writes;
            if (mover.opcode == IORING_OP_SEND_ZC) /* of the send with a copy that it becomes */
                of_state.insert({-ENOMEM, -ENOBUFS});
            drive(
                mover.opcode, subjects,
                [&] {
                    if (left-- == 0)
                        left = renew(mover, pair, make);
                    char byte = 'b';
                    ssize_t result = mover.move(pair.here, &byte);
                    if (result == -ECONNRESET)
                        left = 0;
                    return result;
                },
                of_state);
            calmly([&] { return pair.close(), 0; });
        }
    }

    template <class Make> int renew(const Mover &mover, Pair &pair, Make make)
    {
        constexpr int kMoves = 200;
        return calmly([&] {
            pair.close();
            pair = make();
            for (int i = 0; mover.reads && pair.there >= 0 && i < kMoves; i++)
                EXPECT_EQ(1, coil_send(pair.there, "b", 1, 0));
            EXPECT_EQ(0, coil_sleep(10 * COIL_MSEC)); /* until it has arrived */
            return kMoves - 1;
        });
    }
};

void drive_files(Driver &driver)
{
    int fd = calmly([] { return coil_open("file", O_RDWR | O_CREAT, 0600); });
    int folder = calmly([] { return coil_open(".", O_RDONLY | O_DIRECTORY, 0); });
    calmly([&] { return coil_pwrite_all(fd, "content", 7, 0); });
    char bytes[4] = {};
    iovec pieces[] = {{bytes, 2}, {bytes + 2, 2}};
    driver.drive(IORING_OP_READ, COIL__SIM_ON_FILE, [&] { return coil_pread(fd, bytes, 4, 0); });
    driver.drive(IORING_OP_READV, COIL__SIM_ON_FILE, [&] { return coil_preadv(fd, pieces, 2, 0); });
    driver.drive(IORING_OP_WRITE, COIL__SIM_ON_FILE, [&] { return coil_pwrite(fd, bytes, 4, 0); });
    driver.drive(IORING_OP_WRITEV, COIL__SIM_ON_FILE,
                 [&] { return coil_pwritev(fd, pieces, 2, 0); });
    driver.drive(IORING_OP_FSYNC, COIL__SIM_ON_FILE, [&] { return coil_fsync(fd); });
    driver.drive(IORING_OP_FSYNC, COIL__SIM_ON_FILE, [&] { return coil_fdatasync(fd); });
    driver.drive(IORING_OP_FSYNC, COIL__SIM_ON_DIRECTORY, [&] { return coil_fsync(folder); });
    driver.drive(IORING_OP_CLOSE, COIL__SIM_ON_FILE, [] {
        int again = calmly([] { return coil_open("file", O_RDONLY, 0); });
        return coil_close(again);
    });
    for (int i : {fd, folder})
        calmly([&] { return coil_close(i); });
}

int closed(int fd)
{
    if (fd >= 0)
        calmly([&] { return coil_close(fd); });
    return fd;
}

void drive_names(Driver &driver)
{
    closed(calmly([] { return coil_open("file", O_RDWR | O_CREAT, 0600); }));
    driver.drive(IORING_OP_OPENAT, COIL__SIM_ON_NOTHING | COIL__SIM_ON_PATH,
                 [] { return closed(coil_open("file", O_RDONLY, 0)); });
    constexpr unsigned kWriting = COIL__SIM_ON_NOTHING | COIL__SIM_ON_PATH | COIL__SIM_ON_WRITING;
    driver.drive(IORING_OP_OPENAT, kWriting, [] { return closed(coil_open("file", O_WRONLY, 0)); });
    unsigned count = 0;
    driver.drive(IORING_OP_OPENAT, kWriting | COIL__SIM_ON_NEW_NAME, [&] {
        std::string path = "file-" + std::to_string(count++);
        return closed(coil_open(path.c_str(), O_RDWR | O_CREAT, 0600));
    });
    struct statx facts;
    driver.drive(IORING_OP_STATX, COIL__SIM_ON_NOTHING | COIL__SIM_ON_PATH,
                 [&] { return coil_statx(AT_FDCWD, "file", 0, STATX_SIZE, &facts); });
    int fd = calmly([] { return coil_open("file", O_RDONLY, 0); });
    driver.drive(IORING_OP_STATX, COIL__SIM_ON_NOTHING,
                 [&] { return coil_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &facts); });
    closed(fd);
}

template <class Call> ssize_t with_socket(int domain, int type, Call call)
{
    int fd = calmly([&] { return coil_socket(domain, type, 0); });
    ssize_t result = call(fd);
    closed(fd);
    return result;
}

void drive_names_of_sockets(Driver &driver)
{
    const struct {
        int domain, type;
        unsigned subjects, more_to_bind;
    } kinds[] = {
        {AF_INET, SOCK_STREAM, COIL__SIM_ON_STREAM, 0},
        {AF_INET, SOCK_DGRAM, COIL__SIM_ON_DATAGRAMS, 0},
        {AF_UNIX, SOCK_STREAM, COIL__SIM_ON_LOCAL | COIL__SIM_ON_PATH, COIL__SIM_ON_NEW_NAME}};
    driver.drive(IORING_OP_SOCKET, COIL__SIM_ON_NOTHING,
                 [] { return closed(coil_socket(AF_INET, SOCK_STREAM, 0)); });
    for (const auto &kind : kinds) {
        Name name(kind.domain, 90);
        driver.drive(COIL__OP_BIND, kind.subjects | kind.more_to_bind, [&] {
            return with_socket(kind.domain, kind.type,
                               [&](int fd) { return coil_bind(fd, name.get(), name.len); });
        });
        int listener =
            kind.type == SOCK_STREAM ? calmly([&] { return listener_at(kind.domain, 80); }) : -1;
        driver.drive(IORING_OP_CONNECT, kind.subjects, [&] {
            ssize_t result = with_socket(kind.domain, kind.type,
                                         [&](int fd) { return connect_to(fd, kind.domain, 80); });
            if (result == 0 && listener >= 0)
                closed(calmly([&] { return coil_accept(listener, nullptr, nullptr, 0); }));
            return result;
        });
        closed(listener);
    }
    driver.drive(COIL__OP_LISTEN, COIL__SIM_ON_STREAM, [] {
        return with_socket(AF_INET, SOCK_STREAM, [](int fd) { return coil_listen(fd, 1); });
    });
}

/* Whether the connection that was to be accepted is gone. */
bool is_of_its_connection(int accepted)
{
    return accepted < 0 && due(IORING_OP_ACCEPT, COIL__SIM_ON_QUEUE).count(accepted) > 0;
}

void drive_accept(Driver &driver, int listener)
{
    int waiting = 0;
    driver.drive(IORING_OP_ACCEPT, COIL__SIM_ON_LISTENER | COIL__SIM_ON_QUEUE, [&] {
        for (; waiting < 8; waiting++) {
            closed(calmly([] {
                int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
                EXPECT_EQ(0, connect_to(fd, AF_INET, 80));
                return fd;
            }));
        }
        int fd = coil_accept(listener, nullptr, nullptr, 0);
        waiting -= fd >= 0 || is_of_its_connection(fd) ? 1 : 0;
        return closed(fd);
    });
    driver.drive(IORING_OP_POLL_ADD, COIL__SIM_ON_LISTENER | COIL__SIM_ON_QUEUE,
                 [&] { return coil_poll(listener, POLLIN); });
}

void drive_pairs(Driver &driver)
{
    int tcp = calmly([] { return listener_at(AF_INET, 80); });
    int local = calmly([] { return listener_at(AF_UNIX, 80); });
    driver.drive_pair(COIL__SIM_ON_CONNECTION, [=] { return connected(AF_INET, tcp); });
    driver.drive_pair(COIL__SIM_ON_LOCAL, [=] { return connected(AF_UNIX, local); });
    driver.drive_pair(COIL__SIM_ON_STREAM,
                      [] {
                          return Pair{coil_socket(AF_INET, SOCK_STREAM, 0), -1};
                      },
                      {-ENOTCONN}, {-EPIPE});
    driver.drive_pair(COIL__SIM_ON_DATAGRAMS | COIL__SIM_ON_PEER, [] {
        Pair pair{bound(AF_INET, SOCK_DGRAM, 50), bound(AF_INET, SOCK_DGRAM, 51)};
        EXPECT_EQ(0, connect_to(pair.here, AF_INET, 51));
        EXPECT_EQ(0, connect_to(pair.there, AF_INET, 50));
        return pair;
    });
    drive_accept(driver, tcp);
    closed(tcp);
    closed(local);
}

/* Entries that no call of coil's fills for its user. */
ssize_t raw(void (*fill)(io_uring_sqe *sqe))
{
    static const coil_future_kind kind = {"raw", coil__op_cancel, nullptr, nullptr,
                                          false, false,           false};
    coil_future future;
    io_uring_sqe *sqe = coil__op_begin(&future, &kind, COIL__NO_FD);
    fill(sqe);
    coil__op_fire(sqe, &future);
    return coil_await(&future);
}

void drive_loop(Driver &driver)
{
    driver.drive(IORING_OP_MSG_RING, COIL__SIM_ON_NOTHING, [] {
        return raw([](io_uring_sqe *sqe) {
            io_uring_prep_msg_ring(sqe, coil__ring_here->uring.ring_fd, 0, COIL__TAG_WAKE, 0);
        });
    });
    static __kernel_timespec span = {0, 1000};
    driver.drive(
        IORING_OP_TIMEOUT, COIL__SIM_ON_NOTHING,
        [] { return raw([](io_uring_sqe *sqe) { io_uring_prep_timeout(sqe, &span, 0, 0); }); },
        {-ETIME});
}

} // namespace

TEST(SimErrors, AreEachOfTheTableAndNoOther)
{
    if (kThreadSanitizer)
        GTEST_SKIP() << "a million operations of one thread, which has no races";
    Driver driver;
    for (auto drive : {drive_files, drive_names, drive_names_of_sockets, drive_pairs, drive_loop}) {
        Simulated outcome = simulate(
            7, [&] { return drive(driver), 0; }, 1, ",faults=harsh,partition=0");
        EXPECT_EQ(0, outcome.result);
    }
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        uint32_t sum = 0;
        for (const coil__sim_error *error = coil__sim_errors_of(opcode); error->error != 0;
             error++) {
            sum += error->of_million;
            for (unsigned bit = 1; bit < COIL__SIM_SUBJECTS_END; bit <<= 1) {
                bool is_seen = driver.seen[{opcode, bit}].count(error->error) > 0;
                EXPECT_TRUE((error->subjects & bit) == 0 || is_seen)
                    << "opcode " << opcode << " on " << bit << ": " << error->error;
            }
        }
        EXPECT_LT(sum, unsigned(COIL__SIM_ERRORS_MOST)) << opcode;
    }
}

/* Those of the manual's pages that follow from no state, but for what sim/errors.h leaves out. */
TEST(SimErrors, AreAllThatTheManualHas)
{
    const Seen disk = {-EIO, -ENOSPC, -EDQUOT, -EROFS};
    const Seen unreachable = {-EHOSTUNREACH, -ENETUNREACH, -EHOSTDOWN, -ENONET, -ENOPROTOOPT};
    const Seen short_of = {-ENFILE, -ENOBUFS, -ENOMEM};
    const std::map<unsigned, std::vector<Seen>> manual = {
        {IORING_OP_READ, {unreachable, {-EIO, -EAGAIN, -ENOMEM, -ECONNRESET}}},
        {IORING_OP_RECV, {unreachable, {-ENOMEM, -ECONNRESET}}},
        {IORING_OP_WRITE, {disk, unreachable, {-EPERM, -ENOBUFS, -ENOMEM, -ECONNRESET}}},
        {IORING_OP_SEND, {unreachable, {-EPERM, -ENOBUFS, -ENOMEM, -ECONNRESET}}},
        {IORING_OP_SEND_ZC, {unreachable, {-EPERM, -ENOBUFS, -ECONNRESET}}},
        {IORING_OP_ACCEPT, {short_of, unreachable, {-ECONNABORTED, -EPROTO, -ENETDOWN}}},
        {IORING_OP_CONNECT,
         {unreachable,
          {-EACCES, -EADDRNOTAVAIL, -EAGAIN, -ECONNREFUSED, -ECONNRESET, -ENOBUFS, -ENOMEM,
           -ETIMEDOUT}}},
        {IORING_OP_SOCKET, {short_of}},
        {COIL__OP_BIND, {disk, {-EACCES, -EADDRINUSE, -EADDRNOTAVAIL, -ENOMEM}}},
        {COIL__OP_LISTEN, {{-EADDRINUSE, -ENOMEM}}},
        {IORING_OP_OPENAT, {disk, {-EACCES, -EINTR, -ENFILE, -ENOMEM}}},
        {IORING_OP_STATX, {{-EACCES, -EINTR, -EIO, -ENOMEM}}},
        {IORING_OP_FSYNC, {disk}},
        {IORING_OP_CLOSE, {{-EIO, -ENOSPC, -EDQUOT, -EINTR}}},
        {IORING_OP_POLL_ADD, {{-ENOMEM}}},
    };
    for (const auto &page : manual) {
        Seen errors;
        for (const Seen &some : page.second)
            errors.insert(some.begin(), some.end());
        EXPECT_EQ(errors, due(page.first, COIL__SIM_SUBJECTS_END - 1)) << page.first;
    }
}

TEST(SimErrors, AreNotSeenOnGoodDays)
{
    for (const char *knobs : {",faults=mild", ",faults=off"}) {
        simulate(
            8,
            [] {
                int fd = coil_open("file", O_RDWR | O_CREAT, 0600);
                for (int i = 0; i < 5000; i++) {
                    EXPECT_EQ(1, coil_pwrite(fd, "x", 1, 0));
                    EXPECT_EQ(0, coil_fsync(fd));
                    int socket = coil_socket(AF_INET, SOCK_STREAM, 0);
                    EXPECT_GE(socket, 1000);
                    EXPECT_EQ(0, coil_close(socket));
                }
                return coil_close(fd);
            },
            1, knobs);
    }
}

/* ---- what they do ---- */

TEST(SimErrors, OfAWriteMayComeBehindAPart)
{
    int shorts = 0, alone = 0;
    simulate(
        1,
        [&] {
            int fd = calmly([] { return coil_open("file", O_RDWR | O_CREAT, 0600); });
            std::string text(1000, 't');
            ssize_t last = 1000;
            for (int i = 0; i < 20000; i++) {
                ssize_t n = coil_pwrite(fd, text.data(), text.size(), 0);
                if (n == -ENOSPC)
                    (last == 500 ? shorts : alone)++;
                last = n;
            }
            return closed(fd), 0;
        },
        1, ",faults=harsh,partition=0");
    EXPECT_GT(shorts, 3);
    EXPECT_GT(alone, 3);
}

TEST(SimErrors, OfAConnectionAreHeardAtBothEnds)
{
    int resets = 0;
    simulate(
        2,
        [&] {
            int listener = calmly([] { return listener_at(AF_INET, 80); });
            Pair pair = calmly([&] { return connected(AF_INET, listener); });
            for (int i = 0; i < 20000; i++) {
                if (coil_send(pair.here, "x", 1, 0) != -ECONNRESET) {
                    char byte;
                    EXPECT_NE(0, calmly([&] { return coil_recv(pair.there, &byte, 1, 0); }));
                    continue;
                }
                resets++;
                char bytes[64];
                EXPECT_EQ(-EPIPE, calmly([&] { return coil_send(pair.here, "x", 1, 0); }));
                ssize_t n;
                while ((n = calmly([&] { return coil_recv(pair.there, bytes, 64, 0); })) > 0) {
                    /* ends with the reset */
                }
                EXPECT_EQ(-ECONNRESET, n);
                calmly([&] { return pair.close(), 0; });
                pair = calmly([&] { return connected(AF_INET, listener); });
            }
            closed(pair.here);
            closed(pair.there);
            return closed(listener), 0;
        },
        1, ",faults=harsh,partition=0");
    EXPECT_GT(resets, 0);
}

TEST(SimErrors, OfConnectTakeAsLongAsTheKernelWaits)
{
    std::map<bool, int> slow;
    simulate(
        3,
        [&] {
            int listener = calmly([] { return listener_at(AF_INET, 80); });
            for (int i = 0; i < 3000; i++) {
                coil_time before = coil_now();
                ssize_t result = with_socket(AF_INET, SOCK_STREAM,
                                             [](int fd) { return connect_to(fd, AF_INET, 80); });
                bool waited = coil_now() - before >= 127 * COIL_SEC;
                EXPECT_EQ(result == -ETIMEDOUT, waited) << result;
                slow[waited]++;
                if (result == 0)
                    closed(calmly([&] { return coil_accept(listener, nullptr, nullptr, 0); }));
            }
            return closed(listener), 0;
        },
        1, ",faults=harsh,partition=0");
    EXPECT_GT(slow[true], 3);
    EXPECT_GT(slow[false], 1000);
}

TEST(SimErrors, OfAcceptLoseItsConnectionOnlyWhenTheyAreItsOwn)
{
    std::map<int, int> seen;
    simulate(
        4,
        [&] {
            int listener = calmly([] { return listener_at(AF_INET, 80); });
            for (int i = 0; i < 4000; i++) {
                int client = calmly([] {
                    int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
                    EXPECT_EQ(0, connect_to(fd, AF_INET, 80));
                    return fd;
                });
                int conn = coil_accept(listener, nullptr, nullptr, 0);
                seen[conn < 0 ? conn : 0]++;
                char byte;
                if (is_of_its_connection(conn)) {
                    EXPECT_EQ(-ECONNRESET, calmly([&] { return coil_recv(client, &byte, 1, 0); }));
                } else if (conn < 0) {
                    closed(calmly([&] { return coil_accept(listener, nullptr, nullptr, 0); }));
                }
                closed(conn);
                closed(client);
            }
            return closed(listener), 0;
        },
        1, ",faults=harsh,partition=0");
    EXPECT_GT(seen[-ECONNABORTED], 10);
    EXPECT_GT(seen[-EPROTO], 0);
    EXPECT_GT(seen[-ENFILE], 0);
    EXPECT_GT(seen[0], 3000);
}

TEST(SimErrors, OfCloseCloseNevertheless)
{
    std::map<int, int> seen;
    simulate(
        5,
        [&] {
            for (int i = 0; i < 20000; i++) {
                int fd = calmly([] { return coil_open("file", O_RDWR | O_CREAT, 0600); });
                EXPECT_EQ(1000, fd);
                seen[coil_close(fd)]++;
                EXPECT_EQ(-EBADF, coil_close(fd));
            }
            return 0;
        },
        1, ",faults=harsh,partition=0");
    for (int error : {-EIO, -ENOSPC, -EDQUOT, -EINTR})
        EXPECT_GT(seen[error], 0) << error;
}

TEST(SimErrors, OfASyncOfADirectoryLoseTheNamesThatWereNew)
{
    int failures = 0, lost = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        bool failed = false;
        simulate(
            seed,
            [&] {
                int folder = calmly([] { return coil_open(".", O_RDONLY | O_DIRECTORY, 0); });
                closed(calmly([] { return coil_open("old", O_RDWR | O_CREAT, 0600); }));
                calmly([&] { return coil_fsync(folder); });
                closed(calmly([] { return coil_open("new", O_RDWR | O_CREAT, 0600); }));
                failed = coil_fsync(folder) == -EIO;
                EXPECT_EQ(0, calmly([&] { return coil_fsync(folder); }));
                coil_sim_crash();
                return 0;
            },
            1, ",faults=harsh,partition=0");
        simulate(
            seed,
            [&] {
                EXPECT_GE(closed(coil_open("old", O_RDONLY, 0)), 1000);
                lost += coil_open("new", O_RDONLY, 0) == -ENOENT ? 1 : 0;
                return 0;
            },
            1, ",faults=off");
        failures += failed ? 1 : 0;
    }
    EXPECT_GT(failures, 0);
    EXPECT_EQ(failures, lost);
}

TEST(SimErrors, OfAWakeUpLoseNoMessage)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        int answers = 0;
        simulate(
            seed,
            [&] {
                for (int i = 0; i < 1000; i++) {
                    answers += call(1, [] { return 1; });
                    EXPECT_EQ(0, coil_sleep(COIL_MSEC)); /* so that the other one sleeps */
                }
                return 0;
            },
            2, ",faults=harsh,partition=0");
        EXPECT_EQ(1000, answers) << seed;
    }
}
