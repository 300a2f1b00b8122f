/* SPDX-License-Identifier: MIT */
/* base/mpsc.h: the order of what is pushed and what comes by value. */
extern "C" {
#include "base/mpsc.h"
}

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

/* The number of the note that was delivered last, and whether anybody looks out for an answer. */
thread_local int delivered;
thread_local uint64_t awaited;

void deliver(const coil__note *note)
{
    delivered = int(reinterpret_cast<intptr_t>(note->arg));
    awaited = coil__note_awaited(note);
}

struct Element {
    coil__mpsc_node node; /* first, so that one is found by the other */
    int number;
};

/* Leaves a note by who knows that `last` is not needed any more. Returns its own number, or 0. */
uintptr_t leave(coil__mpsc *queue, int number, bool looks_out = false,
                uintptr_t last = COIL__MPSC_FIRST)
{
    coil__note *note = coil__mpsc_claim(queue, &last);
    if (note == nullptr)
        return 0;
    note->arg = reinterpret_cast<void *>(intptr_t(number));
    coil__mpsc_leave(note, last, looks_out, deliver);
    return last;
}

/* What comes next, as a note or not; 0: nothing. */
int take(coil__mpsc *queue)
{
    if (coil__mpsc_node *node = coil__mpsc_pop(queue))
        return reinterpret_cast<Element *>(node)->number;
    if (coil__mpsc_note(queue) == nullptr)
        return 0;
    coil__mpsc_deliver(queue);
    return delivered;
}

TEST(Mpsc, TakesOneNoteWhileItIsEmpty)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    Element one = {{}, 1};
    uintptr_t seventh = leave(&queue, 7);
    EXPECT_NE(0u, seventh);
    EXPECT_FALSE(coil__mpsc_empty(&queue));
    EXPECT_FALSE(leave(&queue, 8)) << "there is room for one";
    EXPECT_EQ(7, take(&queue));
    EXPECT_TRUE(coil__mpsc_empty(&queue));
    EXPECT_TRUE(leave(&queue, 8, false, seventh)) << "by who knows the last one";
    EXPECT_FALSE(leave(&queue, 9, false, seventh)) << "which is another one now";
    EXPECT_EQ(8, take(&queue));
    EXPECT_TRUE(leave(&queue, 9)) << "by who does not";
    EXPECT_EQ(9, take(&queue));
    coil__mpsc_push(&queue, &one.node);
    EXPECT_FALSE(leave(&queue, 10)) << "it would overtake";
    EXPECT_EQ(1, take(&queue));
    EXPECT_EQ(0, take(&queue));
    EXPECT_TRUE(leave(&queue, 10));
    EXPECT_EQ(10, take(&queue));
}

void leave_in_delivery(const coil__note *note)
{
    auto queue = static_cast<coil__mpsc *>(note->about);
    EXPECT_FALSE(leave(queue, 2)) << "the consumer may still be reading";
}

TEST(Mpsc, ANoteStaysUntilItsDeliveryIsOver)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    uintptr_t number = COIL__MPSC_FIRST;
    coil__note *note = coil__mpsc_claim(&queue, &number);
    ASSERT_NE(nullptr, note);
    note->about = &queue;
    coil__mpsc_leave(note, number, false, leave_in_delivery);
    take(&queue);
    EXPECT_TRUE(leave(&queue, 2));
}

TEST(Mpsc, TheRoomOfANoteIsItsUntilTheAnswerIsTaken)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    uintptr_t number = leave(&queue, 1, true);
    int32_t result = 0;
    EXPECT_EQ(1, take(&queue));
    EXPECT_NE(uint64_t(COIL__NOTE_NONE), awaited);
    EXPECT_FALSE(coil__note_answered(&queue.note, &result));
    EXPECT_FALSE(leave(&queue, 2)) << "somebody looks out for what will be written there";
    EXPECT_TRUE(coil__note_answer(&queue.note, awaited, -7));
    EXPECT_FALSE(leave(&queue, 2));
    EXPECT_TRUE(coil__note_answered(&queue.note, &result));
    EXPECT_EQ(-7, result);
    coil__note_take_answer(&queue.note);
    EXPECT_TRUE(leave(&queue, 2, true, number));
    EXPECT_FALSE(coil__note_answer(&queue.note, awaited, -8)) << "of another note";
}

TEST(Mpsc, WhoGivesUpGetsNoAnswerUnlessItIsThere)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    uintptr_t number = leave(&queue, 1, true);
    EXPECT_TRUE(coil__note_give_up(&queue.note, number));
    EXPECT_EQ(1, take(&queue));
    EXPECT_EQ(uint64_t(COIL__NOTE_NONE), awaited);

    number = leave(&queue, 2, true);
    EXPECT_EQ(2, take(&queue));
    EXPECT_TRUE(coil__note_give_up(&queue.note, number));
    EXPECT_FALSE(coil__note_answer(&queue.note, awaited, 2));

    number = leave(&queue, 3, true);
    EXPECT_EQ(3, take(&queue));
    EXPECT_TRUE(coil__note_answer(&queue.note, awaited, 3));
    EXPECT_FALSE(coil__note_give_up(&queue.note, number));
}

TEST(Mpsc, ANoteIsOlderThanWhatIsPushedAfterwardsAndYoungerThanWhatWasTaken)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    Element elements[] = {{{}, 1}, {{}, 2}, {{}, 4}, {{}, 5}};
    coil__mpsc_push(&queue, &elements[0].node);
    coil__mpsc_push(&queue, &elements[1].node);
    EXPECT_EQ(1, take(&queue));
    EXPECT_TRUE(leave(&queue, 3)) << "the consumer has taken what was there";
    coil__mpsc_push(&queue, &elements[2].node);
    coil__mpsc_push(&queue, &elements[3].node);
    for (int number = 2; number <= 5; number++)
        EXPECT_EQ(number, take(&queue));
    EXPECT_EQ(0, take(&queue));
    EXPECT_TRUE(coil__mpsc_empty(&queue));
}

TEST(Mpsc, TheConsumerMaySleepOnceItHasReadTheNote)
{
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    EXPECT_TRUE(leave(&queue, 1));
    EXPECT_FALSE(coil__mpsc_mark(&queue));
    EXPECT_EQ(1, take(&queue));
    EXPECT_TRUE(coil__mpsc_mark(&queue));
    EXPECT_FALSE(leave(&queue, 2)) << "it would not be woken";
    Element three = {{}, 3};
    EXPECT_TRUE(coil__mpsc_push(&queue, &three.node));
    EXPECT_TRUE(coil__mpsc_unmark(&queue));
    EXPECT_EQ(3, take(&queue));
}

/* Each producer numbers what it sends, in whichever way. */
TEST(Mpsc, KeepsTheOrderOfEachProducerHoweverItSends)
{
    constexpr int kProducers = 3, kEach = 2000;
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    std::vector<std::vector<Element>> elements(kProducers, std::vector<Element>(kEach));
    std::vector<std::thread> producers;
    for (int p = 0; p < kProducers; p++) {
        producers.emplace_back([&, p] {
            for (int i = 0; i < kEach; i++) {
                Element &element = elements[size_t(p)][size_t(i)];
                element.number = p * kEach + i + 1;
                if (i % 3 == 0 || !leave(&queue, element.number))
                    coil__mpsc_push(&queue, &element.node);
                if (i % 16 == 0)
                    std::this_thread::yield();
            }
        });
    }
    std::vector<int> next(kProducers);
    for (int left = kProducers * kEach; left > 0;) {
        int number = take(&queue) - 1;
        if (number < 0) {
            std::this_thread::yield();
            continue;
        }
        EXPECT_EQ(next[size_t(number / kEach)]++, number % kEach);
        left--;
    }
    for (std::thread &producer : producers)
        producer.join();
}

/* Of answering and giving up one wins, and whoever leaves a note next is not disturbed. */
TEST(Mpsc, AnsweringRacesWithGivingUp)
{
    constexpr int kProducers = 2, kEach = 3000;
    coil__mpsc queue;
    coil__mpsc_init(&queue);
    std::atomic<int> left{kProducers}, gave_up{0};
    std::vector<std::thread> producers;
    for (int p = 0; p < kProducers; p++) {
        producers.emplace_back([&, p] {
            uintptr_t last = COIL__MPSC_FIRST;
            for (int i = 0; i < kEach; i++) {
                uintptr_t number;
                int name = p * kEach + i + 1, result = 0;
                while ((number = leave(&queue, name, true, last)) == 0)
                    std::this_thread::yield();
                for (int look = i % 64; look > 0 && !coil__note_answered(&queue.note, &result);)
                    look--;
                if (coil__note_give_up(&queue.note, number)) {
                    gave_up++;
                    continue;
                }
                ASSERT_TRUE(coil__note_answered(&queue.note, &result));
                EXPECT_EQ(name, result);
                coil__note_take_answer(&queue.note);
                last = number;
            }
            left--;
        });
    }
    int unanswered = 0;
    while (left > 0 || !coil__mpsc_empty(&queue)) {
        int number = take(&queue);
        if (number == 0)
            std::this_thread::yield();
        else if (awaited == COIL__NOTE_NONE || !coil__note_answer(&queue.note, awaited, number))
            unanswered++;
    }
    for (std::thread &producer : producers)
        producer.join();
    EXPECT_EQ(gave_up, unanswered);
}

} // namespace
