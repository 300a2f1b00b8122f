/* SPDX-License-Identifier: MIT */
/* The pool of threads: how many there are and when, and what becomes of each job. */
#include "support/census.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <random>
#include <sys/syscall.h>
#include <thread>

extern "C" {
#include "base/workers.h"
}

namespace {

using namespace coil_test;

/* What jobs and the test tell each other. */
class Board {
public:
    /* Waits until `condition`; a test that gets nowhere fails after a minute. */
    template <class Condition> void wait(Condition condition)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), condition));
    }
    template <class Change> void change(Change change)
    {
        std::lock_guard<std::mutex> lock(mutex_);
        change();
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

struct Job : coil__job {
    explicit Job(Callable<void> work) : coil__job(), todo(std::move(work)) {}
    Callable<void> todo;
};

void run_job(coil__job *job)
{
    static_cast<Job *>(job)->todo();
}

/* A pool, and jobs that stay in it until they are let go. */
class Pool {
public:
    explicit Pool(unsigned limit, const cpu_set_t *cpus = nullptr)
    {
        coil__workers_open(&workers, "test", limit, cpus, run_job);
    }
    ~Pool()
    {
        let_go();
        board.wait([this] { return done == jobs_.size(); });
        coil__workers_close(&workers);
        EXPECT_EQ(0u, workers.count);
    }
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    Job &add(Callable<void> todo = [] {})
    {
        jobs_.emplace_back([this, todo = std::move(todo)] {
            todo();
            board.change([this] { done++; });
        });
        return jobs_.back();
    }
    int submit(Callable<void> todo = [] {})
    {
        return coil__workers_submit(&workers, &add(std::move(todo)));
    }
    /* A job that has begun when this returns. */
    void occupy_one()
    {
        unsigned before = begun;
        ASSERT_EQ(0, submit([this] { stay(); }));
        board.wait([this, before] { return begun > before; });
    }
    void stay()
    {
        board.change([this] { begun++; });
        board.wait([this] { return may_go; });
    }
    void let_go()
    {
        board.change([this] { may_go = true; });
    }
    void wait_until_idle(unsigned count)
    {
        while (idle_count() != count)
            std::this_thread::yield();
    }
    unsigned idle_count()
    {
        pthread_mutex_lock(&workers.lock);
        unsigned count = 0;
        for (coil_link *link = workers.idle.next; link != &workers.idle; link = link->next)
            count++;
        pthread_mutex_unlock(&workers.lock);
        return count;
    }
    unsigned count()
    {
        pthread_mutex_lock(&workers.lock);
        unsigned count = workers.count;
        pthread_mutex_unlock(&workers.lock);
        return count;
    }

    coil__workers workers;
    Board board;
    size_t done = 0;
    unsigned begun = 0;
    bool may_go = false;

private:
    std::deque<Job> jobs_;
};

TEST(Workers, GrowToTheLimitAndNotBeyond)
{
    Pool pool(3);
    for (int i = 0; i < 3; i++)
        pool.occupy_one();
    for (int i = 0; i < 20; i++)
        ASSERT_EQ(0, pool.submit());
    EXPECT_EQ(3u, pool.count());
    pool.let_go();
    pool.board.wait([&] { return pool.done == 23; });
    EXPECT_EQ(3u, pool.workers.most);
}

TEST(Workers, DoNotGrowWhileOneIsIdle)
{
    Pool pool(4);
    for (int i = 0; i < 100; i++) {
        ASSERT_EQ(0, pool.submit());
        pool.wait_until_idle(1);
    }
    EXPECT_EQ(1u, pool.workers.most);
}

TEST(Workers, TakeJobsInTheOrderOfTheirComing)
{
    std::vector<int> order;
    {
        Pool pool(1);
        pool.occupy_one();
        for (int i = 0; i < 100; i++)
            ASSERT_EQ(0, pool.submit([&order, i] { order.push_back(i); }));
    }
    ASSERT_EQ(100u, order.size());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Workers, WhoIsNotNeededForAWhileEnds)
{
    Pool pool(3);
    pool.workers.patience_ns = 1;
    for (int i = 0; i < 3; i++)
        pool.occupy_one();
    pool.let_go();
    while (pool.count() > 0)
        std::this_thread::yield();
    EXPECT_EQ(0, pool.submit()); /* and the pool works on */
    pool.board.wait([&] { return pool.done == 4; });
}

/* Jobs that come at about the time at which the thread has been idle for long enough, sooner or
 * later. */
TEST(Workers, AJobThatComesAsTheLastThreadEndsIsNotForgotten)
{
    Pool pool(1);
    pool.workers.patience_ns = 20000;
    std::mt19937 random(4);
    for (size_t round = 1; round <= size_t(rounds(3000)) && !HasFailure(); round++) {
        ASSERT_EQ(0, pool.submit());
        pool.board.wait([&] { return pool.done == round; });
        auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 200);
        while (std::chrono::steady_clock::now() < end)
            ;
    }
}

/* Twice as many threads as one job after another needs would never be idle if all took turns. */
TEST(Workers, WakeTheOneThatWasIdleForTheShortestTime)
{
    Pool pool(2);
    pool.occupy_one();
    pool.occupy_one();
    pool.let_go();
    pool.wait_until_idle(2);
    const coil_link *last = pool.workers.idle.prev;
    for (int i = 0; i < 10; i++) {
        ASSERT_EQ(0, pool.submit());
        pool.wait_until_idle(2);
        EXPECT_EQ(last, pool.workers.idle.prev);
    }
}

TEST(Workers, AJobThatWasRemovedNeverRuns)
{
    bool ran = false;
    {
        Pool pool(1);
        Job removed([&ran] { ran = true; });
        pool.occupy_one();
        ASSERT_EQ(0, coil__workers_submit(&pool.workers, &removed));
        ASSERT_EQ(0, pool.submit());
        EXPECT_TRUE(coil__workers_try_remove(&pool.workers, &removed));
        EXPECT_FALSE(coil__workers_try_remove(&pool.workers, &removed));
    }
    EXPECT_FALSE(ran);
}

TEST(Workers, AJobThatWasTakenCanNotBeRemoved)
{
    Pool pool(1);
    Job &job = pool.add([&pool] { pool.stay(); });
    ASSERT_EQ(0, coil__workers_submit(&pool.workers, &job));
    pool.board.wait([&] { return pool.begun == 1; });
    EXPECT_FALSE(coil__workers_try_remove(&pool.workers, &job));
}

/* Each job is removed or runs, whatever threads meet there. */
TEST(Workers, RemovingRacesWithTakingAndOneOfThemWins)
{
    Pool pool(2);
    std::atomic<unsigned> ran{0};
    unsigned removed = 0;
    const int count = rounds(20000);
    for (int i = 0; i < count; i++) {
        Job job([&ran] { ran++; });
        ASSERT_EQ(0, coil__workers_submit(&pool.workers, &job));
        unsigned before = removed;
        if (i % 3 != 0)
            std::this_thread::yield();
        removed += coil__workers_try_remove(&pool.workers, &job);
        while (removed == before && ran + removed != unsigned(i + 1))
            std::this_thread::yield();
        ASSERT_EQ(unsigned(i + 1), ran + removed);
    }
    EXPECT_GT(ran, 0u);
}

TEST(Workers, ManyThreadsSubmitAndEveryJobRunsOnce)
{
    Pool pool(3);
    std::atomic<unsigned> ran{0};
    const int count = rounds(5000);
    std::vector<std::thread> threads;
    std::vector<std::deque<Job>> jobs(3);
    pool.workers.patience_ns = 1000; /* threads come and go all the time */
    for (int t = 0; t < 3; t++) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < count; i++) {
                jobs[size_t(t)].emplace_back([&ran] { ran++; });
                EXPECT_EQ(0, coil__workers_submit(&pool.workers, &jobs[size_t(t)].back()));
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    while (ran != unsigned(3 * count))
        std::this_thread::yield();
    EXPECT_LE(pool.workers.most, 3u);
}

TEST(Workers, HaveANameNoSignalsAndTheCpusTheyWereGiven)
{
    cpu_set_t all, one, own;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
    one = all;
    for (size_t cpu = CPU_SETSIZE; cpu-- > 0 && CPU_COUNT(&one) > 1;)
        CPU_CLR(cpu, &one);
    ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one)); /* as a core is */
    std::string name;
    sigset_t mask;
    {
        Pool pool(1, &all);
        EXPECT_EQ(0, pool.submit([&] {
            char text[16] = "";
            pthread_getname_np(pthread_self(), text, sizeof(text));
            name = text;
            pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            sched_getaffinity(0, sizeof(own), &own);
        }));
    }
    sched_setaffinity(0, sizeof(all), &all);
    EXPECT_EQ("coil-test", name);
    EXPECT_TRUE(CPU_EQUAL(&all, &own));
    for (int signal : {SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGCHLD})
        EXPECT_EQ(1, sigismember(&mask, signal)) << signal;
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        EXPECT_EQ(0, sigismember(&mask, fault)) << fault;
}

TEST(Workers, LeaveNoThreadBehind)
{
    Census before = take_census();
    for (int i = 0; i < 20; i++) {
        Pool pool(3);
        pool.workers.patience_ns = i % 2 == 0 ? 1 : pool.workers.patience_ns;
        for (int job = 0; job < 10; job++)
            ASSERT_EQ(0, pool.submit());
    }
    EXPECT_EQ("", compare_census(before));
}

bool deny_threads()
{
    return deny_system_call(SYS_clone3, ENOSYS) && deny_system_call(SYS_clone, EAGAIN);
}

TEST(Workers, GoOnWithThoseThereAreWhenTheNextCanNotBeStarted)
{
    ChildOutcome outcome = run_in_child([] {
        Pool pool(4);
        pool.occupy_one();
        pool.occupy_one();
        if (!deny_threads())
            return 1;
        int err = pool.submit();
        if (err == 0)
            err = pool.submit();
        pool.let_go();
        pool.board.wait([&] { return pool.done == 4; });
        return err < 0 ? err : pool.workers.most == 2 ? 0 : 2;
    });
    EXPECT_EQ(0, outcome.result);
    EXPECT_EQ("coil: pool \"test\": can't start thread 3 of 4: Resource temporarily unavailable\n",
              outcome.log);
}

TEST(Workers, TellWhoSubmitsWhenThereIsNoThreadAtAll)
{
    ChildOutcome outcome = run_in_child([] {
        coil__workers workers;
        Job job([] {});
        coil__workers_open(&workers, "test", 4, nullptr, run_job);
        if (!deny_threads())
            return 1;
        int err = coil__workers_submit(&workers, &job);
        bool in_line = coil__workers_try_remove(&workers, &job);
        coil__workers_close(&workers);
        return in_line ? 2 : err;
    });
    EXPECT_EQ(-EAGAIN, outcome.result);
}

} // namespace
