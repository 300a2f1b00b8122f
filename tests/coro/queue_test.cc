/* SPDX-License-Identifier: MIT */
/* Work queues by a clock that only the coroutines here move: so that every figure is exact. */
#include "coro/coroutines.h"

extern "C" {
#include "coro/queue.h"
#include "base/clock.h"
}

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace coil_test;

namespace {

/* Queues on a bare scheduler, beside the default one, under a clock of their own. */
class Queues {
public:
    explicit Queues(const std::vector<coil__queue_terms> &queues)
    {
        terms_[0] = {"default", COIL_SHARES_DEFAULT, 0};
        std::copy(queues.begin(), queues.end(), terms_.begin() + 1);
        coil__sched->queues.terms = terms_.data();
        coil__clock_source = read_clock;
        now = 1000;
        reads = 0;
    }

    ~Queues() { coil__clock_source = coil__clock_monotonic; }

    coil_task *spawn(unsigned queue, Callable<void> body)
    {
        return coroutines_.spawn(std::move(body), "test", queue);
    }

    /* Keeps a coroutine in `queue` ready until `until`, in steps of that length. */
    void keep_busy(unsigned queue, int64_t step, coil_time until)
    {
        spawn(queue, [=] {
            while (now < until) {
                work(queue, step);
                Coroutines::yield();
            }
        });
    }

    void run() { coroutines_.run(); }

    static void work(unsigned queue, int64_t ns)
    {
        now += ns;
        worked[queue] += ns;
    }

    static const coil__queue &at(unsigned queue) { return coil__sched->queues.each[queue]; }

    static coil_time now;
    static int reads;
    static std::array<int64_t, COIL_QUEUES> worked;

private:
    static coil_time read_clock()
    {
        reads++;
        return now;
    }

    Coroutines coroutines_;
    std::array<coil__queue_terms, COIL_QUEUES> terms_{};
};

coil_time Queues::now;
int Queues::reads;
std::array<int64_t, COIL_QUEUES> Queues::worked;

double ratio(unsigned queue, unsigned other)
{
    return double(Queues::worked[queue]) / double(Queues::worked[other]);
}

struct Queue : testing::Test {
    Queue() { Queues::worked.fill(0); }
};

TEST_F(Queue, GetsTimeInProportionToItsShares)
{
    const std::pair<uint32_t, uint32_t> kShares[] = {{300, 100}, {100, 100}, {7, 3}, {1000, 20}};
    for (auto [one, other] : kShares) {
        SCOPED_TRACE(one);
        Queues::worked.fill(0);
        Queues queues({{"one", one, 0}, {"other", other, 0}});
        /* Neither their number nor the length of their steps makes a difference. */
        for (int i = 0; i < 3; i++)
            queues.keep_busy(1, 31 * COIL_USEC, COIL_SEC);
        queues.keep_busy(2, 7 * COIL_USEC, COIL_SEC);
        queues.run();
        EXPECT_NEAR(double(one) / other, ratio(1, 2), 0.01 * one / other);
    }
}

TEST_F(Queue, IsServedInTheExactOrderThatSharesGive)
{
    Queues queues({{"three", 300, 0}, {"one", 100, 0}});
    std::string order;
    for (auto each : {std::pair(1u, 'a'), std::pair(2u, 'b')}) {
        queues.spawn(each.first, [&, each] {
            auto [queue, letter] = each;
            while (order.size() < 17) {
                order += letter;
                Queues::work(queue, COIL_MSEC);
                Coroutines::yield();
            }
        });
    }
    queues.run();
    EXPECT_EQ("abaaabaaabaaabaaa", order.substr(0, 17));
}

TEST_F(Queue, RunsInTheOrderOfBecomingReadyWhoeverElseIsServed)
{
    Queues queues({{"one", 50, 0}, {"other", 100, 0}, {"hurried", 100, COIL_MSEC}});
    std::array<std::vector<int>, 4> order;
    for (unsigned queue = 0; queue < 4; queue++) {
        for (int i = 0; i < 100; i++) {
            queues.spawn(queue, [&, queue, i] {
                for (int round = 0; round < 3; round++) {
                    order[queue].push_back(round * 100 + i);
                    Queues::work(queue, (i % 7 + 1) * COIL_USEC);
                    Coroutines::yield();
                }
            });
        }
    }
    queues.run();
    std::vector<int> expected(300);
    for (int i = 0; i < 300; i++)
        expected[size_t(i)] = i;
    for (const auto &ran : order)
        EXPECT_EQ(expected, ran);
}

TEST_F(Queue, WithALatencyGoalGoesFirstAtTheNextSuspension)
{
    Queues queues({{"batch", 1000, 0}, {"late", 10, 5 * COIL_MSEC}, {"soon", 10, COIL_MSEC}});
    std::vector<std::string> order;
    std::array<coil_task *, 2> sleepers{};
    for (unsigned i = 0; i < 2; i++) {
        sleepers[i] = queues.spawn(2 + i, [&, i] {
            for (int round = 0; round < 3; round++) {
                Coroutines::park();
                order.push_back(i == 0 ? "late" : "soon");
            }
        });
    }
    queues.run();
    for (int i = 0; i < 300; i++) {
        queues.spawn(1, [&, i] {
            Queues::work(1, COIL_MSEC);
            if (i % 100 == 50) { /* they come in the order of their goals, not of their wakes */
                coil__task_wake(sleepers[0]);
                coil__task_wake(sleepers[1]);
                order.push_back("woken");
            }
            order.push_back("batch");
        });
    }
    queues.run();
    for (size_t i = 0; i < 3; i++) {
        auto woken = std::find(order.begin(), order.end(), "woken");
        ASSERT_NE(order.end(), woken);
        std::vector<std::string> next(woken + 1, woken + 5);
        EXPECT_EQ((std::vector<std::string>{"batch", "soon", "late", "batch"}), next);
        order.erase(order.begin(), woken + 1);
    }
}

TEST_F(Queue, WithALatencyGoalThatIsAlwaysReadyGetsItsSharesAndNoMore)
{
    Queues queues({{"batch", 300, 0}, {"hurried", 100, COIL_MSEC}});
    queues.keep_busy(1, 50 * COIL_USEC, 10 * COIL_SEC);
    queues.keep_busy(2, 50 * COIL_USEC, 10 * COIL_SEC);
    queues.run();
    EXPECT_NEAR(3, ratio(1, 2), 0.05); /* it may be 20 ms ahead */
}

TEST_F(Queue, OfOneShareBesideManyDoesNotStarve)
{
    std::vector<coil__queue_terms> terms(14, {"large", COIL_SHARES_MAX, 0});
    terms.push_back({"small", 1, 0});
    Queues queues(terms);
    for (unsigned queue = 0; queue < COIL_QUEUES; queue++)
        queues.keep_busy(queue, 10 * COIL_USEC, COIL_SEC);
    queues.run();
    EXPECT_GT(double(Queues::worked[15]) / COIL_SEC, 0.009);
}

TEST_F(Queue, ThatWasIdleHasSavedNothingUp)
{
    Queues queues({{"busy", 100, 0}, {"idle", 100, 0}});
    coil_time end = 3 * COIL_SEC;
    coil_task *idle = queues.spawn(2, [=] {
        Coroutines::park();
        while (Queues::now < end) {
            Queues::work(2, 10 * COIL_USEC);
            Coroutines::yield();
        }
    });
    queues.run();
    queues.keep_busy(0, 10 * COIL_USEC, COIL_SEC); /* the others do not stand still meanwhile */
    queues.keep_busy(1, 10 * COIL_USEC, COIL_SEC);
    queues.run();
    Queues::worked.fill(0);
    coil__task_wake(idle);
    queues.keep_busy(1, 10 * COIL_USEC, end);
    queues.run();
    EXPECT_NEAR(1, ratio(1, 2), 0.01);
}

TEST_F(Queue, ThatRanAloneIsNotMadeToPayForIt)
{
    Queues queues({{"busy", 100, 0}, {"later", 100, 0}});
    queues.spawn(2, [] {});
    queues.run();
    queues.keep_busy(1, 10 * COIL_USEC, COIL_SEC);
    queues.run();
    Queues::worked.fill(0);
    queues.keep_busy(1, 10 * COIL_USEC, 2 * COIL_SEC);
    queues.keep_busy(2, 10 * COIL_USEC, 2 * COIL_SEC);
    queues.run();
    EXPECT_NEAR(1, ratio(1, 2), 0.01);
}

/* As it does in a simulation while coroutines compute. */
TEST_F(Queue, GetsTurnsInProportionToItsSharesWhereTheClockStandsStill)
{
    Queues queues({{"three", 300, 0}, {"one", 100, 0}});
    std::array<int, 3> turns{};
    for (unsigned queue : {1u, 2u}) {
        queues.spawn(queue, [&, queue] {
            while (turns[1] + turns[2] < 40000) {
                turns[queue]++;
                Coroutines::yield();
            }
        });
    }
    queues.run();
    EXPECT_NEAR(3, double(turns[1]) / turns[2], 0.01);
}

TEST_F(Queue, CountsItsTimeAndItsWaits)
{
    Queues queues({{"one", 300, 0}, {"other", 100, 0}});
    queues.keep_busy(1, 30 * COIL_USEC, COIL_SEC);
    queues.keep_busy(2, 20 * COIL_USEC, COIL_SEC);
    queues.run();
    for (unsigned queue : {1u, 2u}) {
        EXPECT_EQ(Queues::worked[queue], Queues::at(queue).run_ns);
        EXPECT_NEAR(double(Queues::worked[3 - queue]), double(Queues::at(queue).wait_ns),
                    100.0 * COIL_USEC);
    }
    EXPECT_EQ(0, Queues::at(0).run_ns);
    EXPECT_EQ(0, Queues::at(0).wait_ns);

    Queues::now += COIL_SEC; /* in which the loop sleeps, and all of them are idle */
    int64_t waited = Queues::at(1).wait_ns + Queues::at(2).wait_ns;
    for (unsigned queue : {2u, 1u})
        queues.spawn(queue, [=] { Queues::work(queue, COIL_USEC); });
    queues.run();
    EXPECT_EQ(waited + COIL_USEC, Queues::at(1).wait_ns + Queues::at(2).wait_ns);
}

TEST_F(Queue, KnowsHowManyAreReady)
{
    Queues queues({{"one", 300, 0}, {"other", 100, 0}});
    for (unsigned i = 0; i < 50; i++)
        queues.spawn(i % 3, [] { Coroutines::yield(); });
    EXPECT_EQ(17u, coil__queues_length(coil__sched, 0));
    EXPECT_EQ(17u, coil__queues_length(coil__sched, 1));
    EXPECT_EQ(16u, coil__queues_length(coil__sched, 2));
    queues.run();
    for (unsigned queue = 0; queue < 3; queue++)
        EXPECT_EQ(0u, coil__queues_length(coil__sched, queue));
}

TEST_F(Queue, IfAloneNeverLooksAtTheClock)
{
    Queues queues({});
    for (int i = 0; i < 10; i++)
        queues.spawn(0, [] {
            for (int round = 0; round < 1000; round++)
                Coroutines::yield();
        });
    queues.run();
    EXPECT_EQ(0, Queues::reads);
}

/*
 * What is promised, written down without saying how: any two queues that are both ready all along
 * have had the same time, each divided by its shares, up to the length of a step of either and,
 * with a latency goal, up to its lead; and within a queue the first to become ready is first.
 */
class Promise {
public:
    explicit Promise(std::vector<double> shares, double slack)
        : shares_(std::move(shares)), slack_(slack), ready_(shares_.size()), had_(shares_.size()),
          since_(shares_.size(), std::vector<double>(shares_.size()))
    {}

    void become_ready(unsigned queue, const void *who)
    {
        if (ready_[queue].empty() && running_ != int(queue))
            begin(queue);
        ready_[queue].push_back(who);
    }

    void resume(unsigned queue, const void *who)
    {
        ASSERT_FALSE(ready_[queue].empty());
        EXPECT_EQ(ready_[queue].front(), who);
        ready_[queue].erase(ready_[queue].begin());
        running_ = int(queue);
    }

    void suspend(unsigned queue, int64_t ran)
    {
        had_[queue] += double(ran) / shares_[queue];
        running_ = -1;
        for (unsigned other = 0; other < shares_.size(); other++) {
            if (ready_[queue].empty() || ready_[other].empty())
                continue;
            double ahead = had_[queue] - had_[other] - since_[queue][other];
            worst_ = std::max(worst_, std::abs(ahead) / slack_);
        }
    }

    double worst() const { return worst_; }

private:
    /* From here on it is compared with those that are ready too. */
    void begin(unsigned queue)
    {
        for (unsigned other = 0; other < shares_.size(); other++) {
            since_[queue][other] = had_[queue] - had_[other];
            since_[other][queue] = had_[other] - had_[queue];
        }
    }

    std::vector<double> shares_;
    double slack_, worst_ = 0;
    int running_ = -1;
    std::vector<std::vector<const void *>> ready_;
    std::vector<double> had_;
    std::vector<std::vector<double>> since_;
};

/* Coroutines that work, yield, park, and wake each other, by chance. */
void keep_promise(unsigned seed, bool hurried)
{
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto below = [&](unsigned bound) { return unsigned(random() % bound); };
    std::vector<coil__queue_terms> terms;
    std::vector<double> shares = {COIL_SHARES_DEFAULT};
    for (unsigned i = 1; i < 2 + below(5); i++) {
        bool has_goal = hurried && below(2) == 0;
        terms.push_back({"some", 50 + below(500), has_goal ? COIL_MSEC : 0});
        shares.push_back(terms.back().shares);
    }
    constexpr int64_t kStepMax = 100 * COIL_USEC;
    Queues queues(terms);
    /* A step of each of the two, and one more while nobody had to decide; then the lead. */
    Promise promise(shares, (3.0 * kStepMax + (hurried ? 20.0 * COIL_MSEC : 0)) / 50);

    struct Actor {
        coil_task *task;
        unsigned queue;
        bool parked;
    };
    std::vector<Actor> actors(20);
    int steps_left = 5000;
    auto wake_one = [&] {
        Actor &other = actors[below(unsigned(actors.size()))];
        if (!other.parked)
            return;
        other.parked = false;
        promise.become_ready(other.queue, &other);
        coil__task_wake(other.task);
    };
    auto act = [&](Actor &self) {
        promise.resume(self.queue, &self);
        while (steps_left-- > 0) {
            int64_t ran = 1 + below(kStepMax);
            Queues::work(self.queue, ran);
            for (unsigned i = below(3); i > 0; i--)
                wake_one();
            self.parked = below(4) == 0;
            if (!self.parked)
                promise.become_ready(self.queue, &self);
            promise.suspend(self.queue, ran);
            if (self.parked)
                Coroutines::park();
            else
                Coroutines::yield();
            promise.resume(self.queue, &self);
        }
        promise.suspend(self.queue, 0);
    };
    for (Actor &actor : actors) {
        actor.queue = below(unsigned(shares.size()));
        promise.become_ready(actor.queue, &actor);
        actor.task = queues.spawn(actor.queue, [&] { act(actor); });
    }
    for (bool any = true; any;) {
        queues.run();
        any = false;
        for (Actor &actor : actors) {
            any |= actor.parked;
            if (!actor.parked || below(3) == 0)
                continue;
            actor.parked = false;
            promise.become_ready(actor.queue, &actor);
            coil__task_wake(actor.task);
        }
    }
    EXPECT_LE(promise.worst(), 1);
}

TEST_F(Queue, KeepsItsPromiseWhateverCoroutinesDo)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        keep_promise(seed, false);
        keep_promise(seed, true);
    }
}

} // namespace
