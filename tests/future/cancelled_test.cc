/* SPDX-License-Identifier: MIT */
/* Level-triggered cancellation: every call that could suspend is refused in a cancelled scope. */
#include "support/pattern.h"
#include "support/process.h"
#include "support/running.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <map>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <string>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

using namespace coil_test;

namespace {

/* What the calls of the table work on: all of it (but the condition) could be done at once, were it
 * not refused. */
struct World {
    int pair[2];
    int file;
    int listener;
    char byte = 'x';
    iovec iov = {&byte, 1};
    msghdr message = {};
    sockaddr_in address = {};
    struct statx attributes = {};
    void *lent = nullptr;
    coil_future sleep = {}, other_sleep = {};
    coil_future *sleeps[2] = {&sleep, &other_sleep};
    coil_acceptor acceptor = {};
    coil_receiver receiver = {};
    coil_promise promise;
    coil_mutex mutex = {}, held_mutex = {};
    coil_rwlock rwlock = {};
    coil_sem sem = {};
    coil_cond cond = {};
    coil_event event = {};
    coil_barrier barrier = {};
    coil_wait_group group = {};
    struct coil_once once = {};
    coil_chan chan = {}, full_chan = {};
    coil_xchan xchan = {}, full_xchan = {};
    coil_signals signals = {};
    coil_listener open_listener = {}, closed_listener = {};

    World()
    {
        coil_promise_init(&promise);
        EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        EXPECT_EQ(1, write(pair[1], "x", 1));
        coil_receiver_open(&receiver, pair[0]);
        EXPECT_EQ(1, coil_receiver_next(&receiver, &lent));
        EXPECT_EQ(1, write(pair[1], "x", 1));
        file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        EXPECT_GE(file, 0);
        EXPECT_EQ(1, write(file, "x", 1));
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(0, bind(listener, addr(), sizeof(address)));
        EXPECT_EQ(0, listen(listener, 5));
        message.msg_iov = &iov;
        message.msg_iovlen = 1;
        for (coil_future *future : sleeps)
            coil_sleep_until_start(future, COIL_FOREVER);
        coil_acceptor_open(&acceptor, listener, 0);
        EXPECT_EQ(0, coil_mutex_lock(&held_mutex));
        coil_sem_init(&sem, 1);
        coil_event_set(&event);
        coil_barrier_init(&barrier, 1);
        coil_chan_init(&chan, &byte, 1, 1);
        coil_chan_init(&full_chan, &byte, 1, 1);
        EXPECT_EQ(0, coil_chan_send(&full_chan, &byte));
        coil_xchan_init(&xchan, &byte, 1, 1);
        coil_xchan_init(&full_xchan, &byte, 1, 1);
        EXPECT_EQ(0, coil_xchan_send(&full_xchan, &byte));
        EXPECT_EQ(
            0, coil_listener_open(&open_listener, addr(), sizeof(address), 5, COIL_BALANCE_LEAST));
        EXPECT_EQ(0, coil_signals_open(&signals, COIL_SIGNAL(SIGUSR2)));
    }

    ~World()
    {
        coil_signals_close(&signals);
        coil_listener_leave(&open_listener);
        coil_listener_destroy(&open_listener);
        coil_mutex_unlock(&held_mutex);
        for (coil_future *future : sleeps)
            coil_future_drop(future);
        coil_promise_drop(&promise);
        coil_acceptor_close(&acceptor);
        if (lent != nullptr)
            coil_buffer_release(lent);
        coil_receiver_close(&receiver);
        for (int fd : {pair[0], pair[1], file, listener})
            close(fd);
    }

    World(const World &) = delete;
    World &operator=(const World &) = delete;

    sockaddr *addr() { return reinterpret_cast<sockaddr *>(&address); }
};

using Call = std::function<ssize_t(World &)>;

using Table = std::map<std::string, Call>;

ssize_t offload(World &)
{
    return coil_offload(
        nullptr, [](void *) { return ssize_t(0); }, nullptr);
}

ssize_t look_up(World &)
{
    addrinfo *found;
    return coil_getaddrinfo("192.0.2.7", "1", nullptr, &found);
}

ssize_t open_listener(World &w)
{
    return coil_listener_open(&w.closed_listener, w.addr(), sizeof(w.address), 5,
                              COIL_BALANCE_KERNEL);
}

/* By name, as the headers have it. */
const Table &operations()
{
    static const Table table = {
        {"coil_await", [](World &w) { return coil_await(&w.sleep); }},
        {"coil_await_until", [](World &w) { return coil_await_until(&w.sleep, COIL_FOREVER - 1); }},
        {"coil_await_any", [](World &w) { return coil_await_any(w.sleeps, 2); }},
        {"coil_await_all", [](World &w) { return coil_await_all(w.sleeps, 2); }},
        {"coil_await_next", [](World &w) { return coil_await_next(w.sleeps, 2); }},
        {"coil_await_race", [](World &w) { return coil_await_race(w.sleeps, 2); }},
        {"coil_promise_wait", [](World &w) { return coil_promise_wait(&w.promise); }},
        {"coil_read", [](World &w) { return coil_read(w.pair[0], &w.byte, 1); }},
        {"coil_write", [](World &w) { return coil_write(w.pair[0], &w.byte, 1); }},
        {"coil_readv", [](World &w) { return coil_readv(w.pair[0], &w.iov, 1); }},
        {"coil_writev", [](World &w) { return coil_writev(w.pair[0], &w.iov, 1); }},
        {"coil_read_all", [](World &w) { return coil_read_all(w.pair[0], &w.byte, 1); }},
        {"coil_write_all", [](World &w) { return coil_write_all(w.pair[0], &w.byte, 1); }},
        {"coil_poll", [](World &w) { return coil_poll(w.pair[0], POLLIN); }},
        {"coil_nop", [](World &) { return coil_nop(); }},
        {"coil_open", [](World &) { return coil_open("/dev/null", O_RDONLY, 0); }},
        {"coil_pread", [](World &w) { return coil_pread(w.file, &w.byte, 1, 0); }},
        {"coil_pwrite", [](World &w) { return coil_pwrite(w.file, &w.byte, 1, 0); }},
        {"coil_preadv", [](World &w) { return coil_preadv(w.file, &w.iov, 1, 0); }},
        {"coil_pwritev", [](World &w) { return coil_pwritev(w.file, &w.iov, 1, 0); }},
        {"coil_pread_all", [](World &w) { return coil_pread_all(w.file, &w.byte, 1, 0); }},
        {"coil_pwrite_all", [](World &w) { return coil_pwrite_all(w.file, &w.byte, 1, 0); }},
        {"coil_fsync", [](World &w) { return coil_fsync(w.file); }},
        {"coil_fdatasync", [](World &w) { return coil_fdatasync(w.file); }},
        {"coil_statx",
         [](World &w) { return coil_statx(AT_FDCWD, "/", 0, STATX_SIZE, &w.attributes); }},
        {"coil_socket", [](World &) { return coil_socket(AF_INET, SOCK_STREAM, 0); }},
        {"coil_bind", [](World &w) { return coil_bind(w.listener, w.addr(), sizeof(w.address)); }},
        {"coil_listen", [](World &w) { return coil_listen(w.listener, 5); }},
        {"coil_accept", [](World &w) { return coil_accept(w.listener, nullptr, nullptr, 0); }},
        {"coil_connect",
         [](World &w) { return coil_connect(w.listener, w.addr(), sizeof(w.address)); }},
        {"coil_recv", [](World &w) { return coil_recv(w.pair[0], &w.byte, 1, 0); }},
        {"coil_send", [](World &w) { return coil_send(w.pair[0], &w.byte, 1, 0); }},
        {"coil_recvmsg", [](World &w) { return coil_recvmsg(w.pair[0], &w.message, 0); }},
        {"coil_sendmsg", [](World &w) { return coil_sendmsg(w.pair[0], &w.message, 0); }},
        {"coil_recv_all", [](World &w) { return coil_recv_all(w.pair[0], &w.byte, 1, 0); }},
        {"coil_send_zc", [](World &w) { return coil_send_zc(w.pair[0], &w.byte, 1, 0); }},
        {"coil_send_zc_all", [](World &w) { return coil_send_zc_all(w.pair[0], &w.byte, 1, 0); }},
        {"coil_send_all", [](World &w) { return coil_send_all(w.pair[0], &w.byte, 1, 0); }},
        {"coil_shutdown", [](World &w) { return coil_shutdown(w.pair[0], SHUT_WR); }},
        {"coil_tcp_listen",
         [](World &w) { return coil_tcp_listen(w.addr(), sizeof(w.address), 5); }},
        {"coil_acceptor_next", [](World &w) { return coil_acceptor_next(&w.acceptor); }},
        {"coil_receiver_next",
         [](World &w) {
             void *another;
             return coil_receiver_next(&w.receiver, &another);
         }},
        {"coil_receiver_reply",
         [](World &w) { /* it takes the buffer over in any case */
                        return coil_receiver_reply(&w.receiver, std::exchange(w.lent, nullptr), 1);
         }},
    };
    return table;
}

const Table &time_and_cores()
{
    static const Table table = {
        {"coil_sleep", [](World &) { return coil_sleep(0); }},
        {"coil_sleep_until", [](World &) { return coil_sleep_until(0); }},
        {"coil_yield", [](World &) { return coil_yield(); }},
        {"coil_yield_if_needed", [](World &) { return coil_yield_if_needed(); }},
        {"coil__call",
         [](World &) { return call(0, [] { return 0; }); }}, /* behind the macro coil_call() */
        {"coil_offload", offload},
        {"coil_listener_open", open_listener},
        {"coil_listener_next", [](World &w) { return coil_listener_next(&w.open_listener); }},
        {"coil_signal_wait", [](World &w) { return coil_signal_wait(&w.signals); }},
        {"coil_stop_wait", [](World &) { return coil_stop_wait(); }},
        {"coil_getaddrinfo", look_up},
    };
    return table;
}

const Table &locks_and_channels()
{
    static const Table table = {
        {"coil_mutex_lock", [](World &w) { return coil_mutex_lock(&w.mutex); }},
        {"coil_rwlock_read", [](World &w) { return coil_rwlock_read(&w.rwlock); }},
        {"coil_rwlock_write", [](World &w) { return coil_rwlock_write(&w.rwlock); }},
        {"coil_sem_acquire", [](World &w) { return coil_sem_acquire(&w.sem); }},
        {"coil_cond_wait", [](World &w) { return coil_cond_wait(&w.cond, &w.held_mutex); }},
        {"coil_event_wait", [](World &w) { return coil_event_wait(&w.event); }},
        {"coil_barrier_wait", [](World &w) { return coil_barrier_wait(&w.barrier); }},
        {"coil_wait_group_wait", [](World &w) { return coil_wait_group_wait(&w.group); }},
        {"coil_once_run",
         [](World &w) {
             Body body = [] { return 0; };
             return coil_once_run(&w.once, call_body, &body);
         }},
        {"coil_chan_send", [](World &w) { return coil_chan_send(&w.chan, &w.byte); }},
        {"coil_chan_recv",
         [](World &w) {
             char byte;
             return coil_chan_recv(&w.full_chan, &byte);
         }},
        {"coil_xchan_send", [](World &w) { return coil_xchan_send(&w.xchan, &w.byte); }},
        {"coil_xchan_recv",
         [](World &w) {
             char byte;
             return coil_xchan_recv(&w.full_xchan, &byte);
         }},
    };
    return table;
}

const Table &calls()
{
    static const Table table = [] {
        Table all = operations();
        all.insert(time_and_cores().begin(), time_and_cores().end());
        all.insert(locks_and_channels().begin(), locks_and_channels().end());
        return all;
    }();
    return table;
}

/* The names that the headers mark so. */
std::set<std::string> marked(const std::string &mark)
{
    std::set<std::string> names;
    const std::string declaration = "\n" + mark + "\\s[^;]*?(coil_\\w+)\\(";
    const std::string folder = COIL_TEST_SOURCE_DIR "/include/coil";
    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
        for (const auto &match : find_all(read_file(entry.path()), declaration))
            names.insert(match[1]);
    }
    return names;
}

TEST(Cancelled, TheTableHasEveryCallThatMaySuspend)
{
    std::set<std::string> tested;
    for (const auto &[name, call] : calls())
        tested.insert(name);
    EXPECT_EQ(marked("COIL_SUSPENDS"), tested);
}

TEST(Cancelled, EveryCallThatMaySuspendIsRefusedUntilTheScopeEnds)
{
    for (const auto &each : calls()) {
        SCOPED_TRACE(each.first);
        run([&] {
            World world;
            COIL_SCOPE(scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, each.second(world));
            EXPECT_EQ(-ECANCELED, coil_yield()) << "one refusal does not use it up";
            {
                COIL_SCOPE(inner, COIL_FOREVER);
                EXPECT_EQ(-ECANCELED, coil_yield());
            }
            EXPECT_EQ(0, coil_scope_close(&scope, -ECANCELED));
            return coil_yield();
        });
    }
}

TEST(Cancelled, ARefusedCallLetsNobodyElseRun)
{
    for (const auto &each : calls()) {
        SCOPED_TRACE(each.first);
        run([&] {
            World world;
            bool ran = false;
            Children children;
            COIL_SCOPE(outer, COIL_FOREVER);
            children.start(outer, [&] {
                ran = true;
                return 0;
            });
            COIL_SCOPE(scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, each.second(world));
            EXPECT_FALSE(ran) << "it was refused, but only after a while";
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            return coil_scope_close(&outer, 0);
        });
    }
}

/* Cleanup needs them. */
TEST(Cancelled, CallsThatIgnoreCancellationDoTheirWork)
{
    run([] {
        int ends[2];
        EXPECT_EQ(0, pipe(ends));
        World world;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_close(ends[0]));
        COIL_FUTURE(close);
        coil_close_start(&close, ends[1]);
        EXPECT_EQ(0, coil_await(&close));
        EXPECT_EQ(-EBADF, coil_close(ends[1]));
        coil_future_drop(&world.sleep);
        return coil_scope_close(&scope, 0);
    });
}

struct OutsideDeathTest : testing::Test {
    OutsideDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

constexpr const char *kOutside = "called outside (a coroutine: only fn of coil_run\\(\\) and what "
                                 "it spawns may|coil_run\\(\\))";

TEST_F(OutsideDeathTest, EveryCallThatMaySuspendSaysWhatToDo)
{
    static World *world; /* without a constructor, which would need a coroutine itself */
    static std::aligned_storage_t<sizeof(World), alignof(World)> storage;
    world = reinterpret_cast<World *>(&storage);
    for (const auto &[name, call] : calls()) {
        SCOPED_TRACE(name);
        EXPECT_DEATH((void)call(*world), kOutside);
    }
    coil_future future = {};
    EXPECT_DEATH((void)coil_close(0), kOutside);
    EXPECT_DEATH(coil_close_start(&future, 0), kOutside);
    EXPECT_DEATH(coil_nop_start(&future), kOutside);
    EXPECT_DEATH(coil_bind_start(&future, 0, nullptr, 0), kOutside);
    EXPECT_DEATH(coil_listen_start(&future, 0, 0), kOutside);
    EXPECT_DEATH(coil_sleep_start(&future, 0), kOutside);
    EXPECT_DEATH(coil_call_start(&future, 0, call_body, nullptr), kOutside);
    EXPECT_DEATH(coil_mutex_lock_start(&future, &world->mutex), kOutside);
    EXPECT_DEATH(coil_chan_recv_start(&future, &world->chan, nullptr), kOutside);
    EXPECT_DEATH((void)!coil_setsockopt(0, 0, 0, nullptr, 0), kOutside);
    EXPECT_DEATH((void)!coil_getsockname(0, nullptr, nullptr), kOutside);
    EXPECT_DEATH(coil_spawn_start(&future, nullptr, call_body, nullptr), kOutside);
    EXPECT_DEATH(coil_promise_init(&world->promise), kOutside);
    EXPECT_DEATH(coil_promise_wait_start(&future, &world->promise), kOutside);
    EXPECT_DEATH(coil_promise_drop(&world->promise), kOutside);
    EXPECT_DEATH(coil_task_rename("x"), kOutside);
    EXPECT_DEATH(coil_task_name(), kOutside);
}

} // namespace
