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

/* The number of the note that was delivered last. */
thread_local int delivered;

void deliver(const coil__note *note)
{
    delivered = note->result;
}

struct Element {
    coil__mpsc_node node; /* first, so that one is found by the other */
    int number;
};

bool leave(coil__mpsc *queue, int number)
{
    coil__note *note = coil__mpsc_claim(queue);
    if (note == nullptr)
        return false;
    note->result = number;
    coil__mpsc_leave(note, deliver);
    return true;
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
    EXPECT_TRUE(leave(&queue, 7));
    EXPECT_FALSE(coil__mpsc_empty(&queue));
    EXPECT_FALSE(leave(&queue, 8)) << "there is room for one";
    EXPECT_EQ(7, take(&queue));
    EXPECT_TRUE(coil__mpsc_empty(&queue));
    EXPECT_FALSE(leave(&queue, 8)) << "which the consumer may still be reading";
    coil__mpsc_give_back(&queue);
    EXPECT_TRUE(leave(&queue, 8));
    EXPECT_EQ(8, take(&queue));
    coil__mpsc_give_back(&queue);
    coil__mpsc_push(&queue, &one.node);
    EXPECT_FALSE(leave(&queue, 9)) << "it would overtake";
    EXPECT_EQ(1, take(&queue));
    EXPECT_EQ(0, take(&queue));
    EXPECT_TRUE(leave(&queue, 9)) << "taking all gives the room back";
    EXPECT_EQ(9, take(&queue));
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
            coil__mpsc_give_back(&queue);
            std::this_thread::yield();
            continue;
        }
        EXPECT_EQ(next[size_t(number / kEach)]++, number % kEach);
        left--;
    }
    for (std::thread &producer : producers)
        producer.join();
}

} // namespace
