/* SPDX-License-Identifier: MIT */
/* future/timers.c */
extern "C" {
#include "future/timers.h"
}

#include "support/running.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace {

constexpr coil_time TICK = coil_time(1) << COIL__TIMERS_SHIFT;
constexpr coil_time DAY = 24 * 3600 * COIL_SEC;
constexpr coil_time YEAR = 365 * DAY;

/* A million, but where each costs many times as much. */
constexpr size_t MILLION = coil_test::kSanitized ? 100000 : 1000000;

struct Timers : testing::Test {
    /* On the heap, so that a sanitizer sees what goes beyond it. */
    std::unique_ptr<coil__timers> timers = std::make_unique<coil__timers>();

    Timers() { start(0); }

    void start(coil_time now) { coil__timers_init(timers.get(), now); }

    void arm(coil_timer &timer, coil_time deadline)
    {
        timer.deadline = deadline;
        coil__timers_arm(timers.get(), &timer);
    }

    void disarm(coil_timer &timer) { coil__timers_disarm(timers.get(), &timer); }
    coil_timer *pop(coil_time now) { return coil__timers_pop(timers.get(), now); }
    coil_time next() { return coil__timers_next(timers.get()); }
    bool empty() { return coil__timers_empty(timers.get()); }

    /* Goes from one next() to the next until a timer fires. Returns how often it looked. */
    int looks_until_fired(coil_timer &timer)
    {
        int looks = 1;
        while (pop(next()) != &timer)
            looks++;
        return looks;
    }

    /* The timer fires at its deadline, not a nanosecond before. */
    void expect_fires_exactly(coil_timer &timer)
    {
        EXPECT_LE(next(), timer.deadline);
        EXPECT_EQ(pop(timer.deadline - 1), nullptr);
        EXPECT_EQ(next(), timer.deadline);
        EXPECT_EQ(pop(timer.deadline), &timer);
        EXPECT_TRUE(empty());
    }
};

using TimersDeathTest = Timers;

TEST_F(Timers, AreEmptyAfterInit)
{
    EXPECT_TRUE(empty());
    EXPECT_EQ(next(), COIL_FOREVER);
    EXPECT_EQ(pop(COIL_FOREVER), nullptr);
}

TEST_F(Timers, AnArmedTimerFiresOnce)
{
    coil_timer timer = {};
    arm(timer, 1000);
    EXPECT_FALSE(empty());
    EXPECT_EQ(pop(1000), &timer);
    EXPECT_EQ(pop(COIL_FOREVER), nullptr);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, ATimerFiresToTheNanosecondAtEveryDistance)
{
    for (int bit = 0; bit < 63; bit++) {
        for (coil_time offset = -1; offset <= 1; offset++) {
            coil_timer timer = {};
            start(0);
            arm(timer, (coil_time)((uint64_t(1) << bit) + (uint64_t)offset));
            expect_fires_exactly(timer);
        }
    }
}

TEST_F(Timers, ATimerFiresToTheNanosecondAcrossWrapsOf32Bits)
{
    for (coil_time boundary : {coil_time(1) << 31, coil_time(1) << 32, coil_time(1) << 62}) {
        for (coil_time before : {coil_time(1), TICK, 10 * COIL_MSEC, 10 * COIL_SEC / 8}) {
            coil_timer timer = {};
            start(boundary - before);
            arm(timer, boundary + before);
            expect_fires_exactly(timer);
        }
    }
}

TEST_F(Timers, TheLastInstantsOfTimeCanBeArmed)
{
    coil_timer last = {}, last_but_one = {}, forever = {};
    start(COIL_FOREVER - 3600 * COIL_SEC);
    arm(forever, COIL_FOREVER);
    arm(last, COIL_FOREVER - 1);
    arm(last_but_one, COIL_FOREVER - 2 * TICK);
    EXPECT_EQ(pop(COIL_FOREVER - 2 * TICK - 1), nullptr);
    EXPECT_EQ(pop(COIL_FOREVER - 2 * TICK), &last_but_one);
    EXPECT_EQ(pop(COIL_FOREVER - 2), nullptr);
    EXPECT_EQ(pop(COIL_FOREVER - 1), &last);
    EXPECT_EQ(pop(COIL_FOREVER - 1), nullptr);
    EXPECT_EQ(pop(COIL_FOREVER), &forever);
}

TEST_F(Timers, AreOfUseAtTheLastInstantOfTime)
{
    coil_timer timer = {};
    start(COIL_FOREVER);
    arm(timer, COIL_FOREVER);
    EXPECT_EQ(next(), COIL_FOREVER);
    EXPECT_FALSE(empty());
    EXPECT_EQ(pop(COIL_FOREVER), &timer);
}

TEST_F(Timers, ATimerThatNeverFiresIsDisarmedAsAnyOther)
{
    coil_timer timer = {};
    arm(timer, COIL_FOREVER);
    EXPECT_EQ(pop(200 * YEAR), nullptr);
    EXPECT_FALSE(empty());
    disarm(timer);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, ADeadlineInThePastFiresAtOnce)
{
    coil_timer past = {}, zero = {}, negative = {}, least = {};
    start(DAY);
    arm(past, DAY - 1);
    arm(zero, 0);
    arm(negative, -1);
    arm(least, INT64_MIN);
    EXPECT_EQ(next(), INT64_MIN);
    for (coil_timer *expected : {&least, &negative, &zero, &past})
        EXPECT_EQ(pop(DAY), expected);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, ADeadlineBetweenThePresentAndTheHorizonWaits)
{
    coil_timer timer = {};
    start(10 * TICK);
    arm(timer, 10 * TICK + 5);
    EXPECT_EQ(pop(10 * TICK + 4), nullptr);
    EXPECT_EQ(pop(10 * TICK + 5), &timer);
}

TEST_F(Timers, AClockThatStandsStillOrGoesBackFiresNothing)
{
    coil_timer timer = {};
    arm(timer, 5 * TICK);
    EXPECT_EQ(pop(5 * TICK - 1), nullptr);
    EXPECT_EQ(pop(5 * TICK - 1), nullptr);
    EXPECT_EQ(pop(TICK), nullptr);
    EXPECT_EQ(pop(-1), nullptr);
    EXPECT_EQ(pop(5 * TICK), &timer);
}

TEST_F(Timers, EqualDeadlinesFireInTheOrderOfArmingWhereverTheyWaited)
{
    const coil_time deadline = 3 * DAY + 12345;
    std::vector<coil_timer> armed(200);
    for (size_t i = 0; i < armed.size(); i++) {
        ASSERT_EQ(pop(deadline / (coil_time)armed.size() * (coil_time)i), nullptr);
        arm(armed[i], deadline);
    }
    for (coil_timer &timer : armed)
        ASSERT_EQ(pop(deadline), &timer);
}

TEST_F(Timers, AJumpOf200YearsFiresEverythingInOrder)
{
    std::vector<coil_timer> armed(1000);
    coil_time deadline = 1;
    for (coil_timer &timer : armed) {
        arm(timer, deadline);
        deadline += deadline / 27 + 1;
    }
    ASSERT_GT(deadline, DAY);
    for (coil_timer &timer : armed)
        ASSERT_EQ(pop(200 * YEAR), &timer);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, AJumpLeavesWhatIsNotDueArmed)
{
    coil_timer due = {}, later = {}, much_later = {};
    const coil_time now = 30 * DAY;
    arm(much_later, 200 * YEAR);
    arm(later, now + 1);
    arm(due, DAY);
    EXPECT_EQ(pop(now), &due);
    EXPECT_EQ(pop(now), nullptr);
    EXPECT_EQ(pop(now + 1), &later);
    EXPECT_EQ(pop(200 * YEAR - 1), nullptr);
    EXPECT_EQ(pop(200 * YEAR), &much_later);
}

TEST_F(Timers, ADisarmedTimerDoesNotFireAndCanBeArmedAgain)
{
    for (coil_time deadline : {coil_time(1), TICK, DAY, YEAR}) {
        coil_timer timer = {};
        start(0);
        arm(timer, deadline);
        disarm(timer);
        EXPECT_TRUE(empty());
        EXPECT_EQ(next(), COIL_FOREVER);
        arm(timer, deadline + 1);
        expect_fires_exactly(timer);
    }
}

TEST_F(Timers, ASlotStaysInUseUntilItsLastTimerIsDisarmed)
{
    coil_timer first = {}, second = {}, third = {};
    arm(first, DAY);
    arm(second, DAY + 1);
    arm(third, DAY + 2);
    disarm(second);
    EXPECT_FALSE(empty());
    disarm(first);
    EXPECT_EQ(next(), DAY + 2);
    disarm(third);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, ATimerIsDisarmedAfterTheHorizonPassedIt)
{
    coil_timer timer = {}, other = {};
    arm(timer, 10 * TICK + 20);
    arm(other, 10 * TICK + 30);
    EXPECT_EQ(pop(10 * TICK), nullptr);
    disarm(timer);
    EXPECT_EQ(pop(10 * TICK + 29), nullptr);
    EXPECT_EQ(pop(10 * TICK + 30), &other);
}

TEST_F(Timers, ATimerIsDisarmedOnEveryLevelOfItsWayDown)
{
    for (coil_time left = COIL_FOREVER / 2; left > 0; left /= 3) {
        coil_timer timer = {};
        start(0);
        arm(timer, COIL_FOREVER / 2 + 1);
        EXPECT_EQ(pop(timer.deadline - left), nullptr);
        EXPECT_FALSE(empty());
        disarm(timer);
        EXPECT_TRUE(empty());
    }
}

TEST_F(Timers, ALoneTimerTellsItsDeadlineSoThatOneLookIsEnough)
{
    coil_timer timer = {};
    arm(timer, YEAR + 1);
    EXPECT_EQ(next(), YEAR + 1);
    EXPECT_EQ(looks_until_fired(timer), 1);
}

TEST_F(Timers, FollowingNextReachesADeadlineInOneLookPerLevel)
{
    coil_timer first = {}, second = {};
    arm(second, 250 * YEAR + 2);
    arm(first, 250 * YEAR + 1);
    EXPECT_LE(looks_until_fired(first), COIL__TIMERS_LEVELS + 1);
}

TEST_F(TimersDeathTest, RefuseToDisarmWhatIsNotArmed)
{
    coil_timer near = {}, far = {};
    near.deadline = 1;
    far.deadline = DAY;
    EXPECT_DEATH(disarm(near), "node->prev != NULL");
    EXPECT_DEATH(disarm(far), "coil__list_linked");
}

TEST_F(TimersDeathTest, RefuseToStartBeforeTheBeginningOfTime)
{
    EXPECT_DEATH(start(-1), "now >= 0");
}

TEST_F(Timers, AMillionInOneTickFireInOrderOfDeadlineThenOfArming)
{
    std::mt19937_64 random(5);
    std::vector<coil_timer> armed(MILLION);
    std::vector<coil_timer *> expected;
    const coil_time tick = 7 * DAY / TICK * TICK;
    for (coil_timer &timer : armed) {
        arm(timer, tick + (coil_time)(random() % TICK));
        expected.push_back(&timer);
    }
    std::stable_sort(expected.begin(), expected.end(),
                     [](auto *a, auto *b) { return a->deadline < b->deadline; });
    EXPECT_EQ(pop(tick - 1), nullptr);
    for (coil_timer *timer : expected)
        ASSERT_EQ(pop(timer->deadline), timer);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, AMillionAtOneInstantFireInTheOrderOfArming)
{
    std::vector<coil_timer> armed(MILLION);
    for (coil_timer &timer : armed)
        arm(timer, DAY);
    EXPECT_EQ(pop(DAY - 1), nullptr);
    for (coil_timer &timer : armed)
        ASSERT_EQ(pop(DAY), &timer);
    EXPECT_TRUE(empty());
}

TEST_F(Timers, AMillionWithinTenMinutesFireInOrderSecondBySecond)
{
    std::mt19937_64 random(6);
    std::vector<coil_timer> armed(MILLION);
    for (coil_timer &timer : armed)
        arm(timer, (coil_time)(random() % (600 * COIL_SEC)));
    size_t fired = 0;
    coil_time last = 0;
    for (coil_time now = 0; now <= 600 * COIL_SEC; now += COIL_SEC) {
        while (coil_timer *timer = pop(now)) {
            ASSERT_LE(last, timer->deadline);
            ASSERT_LE(timer->deadline, now);
            last = timer->deadline;
            fired++;
        }
        ASSERT_LT(now, next());
    }
    EXPECT_EQ(fired, armed.size());
}

/* Arms, disarms and moves the clock at random, beside a model that keeps everything sorted. */
class Program {
public:
    Program(coil__timers *timers, unsigned seed, coil_time now, int widest_jump)
        : timers_(timers), random_(seed), now_(now), widest_jump_(widest_jump), armed_(400)
    {
        coil__timers_init(timers, now);
    }

    void run(int steps)
    {
        for (int step = 0; step < coil_test::rounds(steps); step++) {
            if (random_() % 8 == 0)
                move_clock();
            else
                toggle(&armed_[random_() % armed_.size()]);
            check_next();
            ASSERT_FALSE(testing::Test::HasFatalFailure()) << "in step " << step;
        }
        now_ = COIL_FOREVER;
        fire_due();
        EXPECT_TRUE(coil__timers_empty(timers_));
        EXPECT_TRUE(model_.empty());
    }

private:
    /* Every order of magnitude up to 2^bits is as likely as the others. */
    coil_time distance(int bits)
    {
        uint64_t some = random_() >> 1;
        return (coil_time)(some >> (63 - random_() % (unsigned)(bits + 1)));
    }

    coil_time later(coil_time span) const
    {
        return span > COIL_FOREVER - now_ ? COIL_FOREVER : now_ + span;
    }

    coil_time pick_deadline()
    {
        switch (random_() % 8) {
        case 0: /* passed, or just now */
            return now_ - distance(20);
        case 1: /* that of another */
            return model_.empty() ? now_ : model_.begin()->first;
        case 2: /* the edge of a slot */
            return later(distance(63)) / TICK * TICK - (coil_time)(random_() % 2);
        case 3:
            return random_() % 4 == 0 ? COIL_FOREVER : COIL_FOREVER - distance(40);
        default:
            return later(distance(63));
        }
    }

    void toggle(coil_timer *timer)
    {
        auto found = where_.find(timer);
        if (found != where_.end()) {
            coil__timers_disarm(timers_, timer);
            model_.erase(found->second);
            where_.erase(found);
            return;
        }
        timer->deadline = pick_deadline();
        coil__timers_arm(timers_, timer);
        where_[timer] = model_.emplace(timer->deadline, timer);
    }

    void move_clock()
    {
        /* To the next deadline, near it, or anywhere. */
        coil_time to = later(distance(widest_jump_));
        if (!model_.empty() && random_() % 2 == 0)
            to = std::min(to, model_.begin()->first - (coil_time)(random_() % 2));
        now_ = std::max(now_, to);
        fire_due();
    }

    void fire_due()
    {
        while (!model_.empty() && model_.begin()->first <= now_) {
            ASSERT_EQ(coil__timers_pop(timers_, now_), model_.begin()->second);
            where_.erase(model_.begin()->second);
            model_.erase(model_.begin());
        }
        ASSERT_EQ(coil__timers_pop(timers_, now_), nullptr);
    }

    void check_next()
    {
        ASSERT_EQ(coil__timers_empty(timers_), model_.empty());
        coil_time earliest = model_.empty() ? COIL_FOREVER : model_.begin()->first;
        ASSERT_LE(coil__timers_next(timers_), earliest);
        /* Else whoever sleeps until next() would never get anywhere. */
        if (earliest > now_) {
            ASSERT_GT(coil__timers_next(timers_), now_);
        }
    }

    coil__timers *timers_;
    std::mt19937_64 random_;
    coil_time now_;
    int widest_jump_;
    std::vector<coil_timer> armed_;
    std::multimap<coil_time, coil_timer *> model_;
    std::map<coil_timer *, std::multimap<coil_time, coil_timer *>::iterator> where_;
};

TEST_F(Timers, AgreeWithAMultimapInRandomProgramsOfSmallSteps)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        SCOPED_TRACE(seed);
        Program(timers.get(), seed, (coil_time)seed * 12345678901, 24).run(20000);
    }
}

TEST_F(Timers, AgreeWithAMultimapInRandomProgramsOfMinutes)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        SCOPED_TRACE(seed);
        Program(timers.get(), seed, DAY * seed, 38).run(20000);
    }
}

TEST_F(Timers, AgreeWithAMultimapInRandomProgramsOfYears)
{
    for (unsigned seed = 0; seed < 200; seed++) {
        SCOPED_TRACE(seed);
        Program(timers.get(), seed, YEAR * seed, 59).run(2000);
    }
}

TEST_F(Timers, AgreeWithAMultimapInRandomProgramsAtTheEndsOfTheRange)
{
    const coil_time starts[] = {(coil_time(1) << 31) - 10 * COIL_SEC / 8,
                                (coil_time(1) << 32) - 10 * COIL_MSEC,
                                (coil_time(1) << 62) - COIL_SEC, COIL_FOREVER - 3600 * COIL_SEC};
    for (coil_time start_at : starts) {
        SCOPED_TRACE(start_at);
        for (unsigned seed = 0; seed < 10; seed++)
            Program(timers.get(), seed, start_at, 30).run(10000);
    }
}

} // namespace
