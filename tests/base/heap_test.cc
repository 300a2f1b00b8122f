/* SPDX-License-Identifier: MIT */
/* base/heap.h */
extern "C" {
#include "base/heap.h"
#include "base/list.h"
}

#include "support/sanitizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <vector>

namespace {

struct Item {
    coil_node node;
    int key;
    int id;
};

Item *item_of(coil_node *node)
{
    return coil__container_of(node, Item, node);
}

bool less(const coil_node *a, const coil_node *b)
{
    return coil__container_of(a, const Item, node)->key <
           coil__container_of(b, const Item, node)->key;
}

struct Heap : testing::Test {
    coil__heap heap;

    Heap() { coil__heap_init(&heap); }

    void push(Item &item) { coil__heap_push(&heap, &item.node, less); }
    void remove(Item &item) { coil__heap_remove(&heap, &item.node, less); }

    Item *pop()
    {
        coil_node *node = coil__heap_pop(&heap, less);
        return node != nullptr ? item_of(node) : nullptr;
    }

    /* The ids of all, popped. */
    std::vector<int> drain()
    {
        std::vector<int> ids;
        while (Item *item = pop())
            ids.push_back(item->id);
        return ids;
    }

    /* Items with these keys, numbered from 0 and pushed in that order. */
    std::vector<Item> push_keys(const std::vector<int> &keys)
    {
        std::vector<Item> items;
        items.reserve(keys.size());
        for (int key : keys) {
            items.push_back(Item{{}, key, (int)items.size()});
            push(items.back());
        }
        return items;
    }
};

using HeapDeathTest = Heap;
using Ids = std::vector<int>;

TEST_F(Heap, IsEmptyAfterInit)
{
    EXPECT_TRUE(coil__heap_empty(&heap));
    EXPECT_EQ(coil__heap_top(&heap), nullptr);
    EXPECT_EQ(pop(), nullptr);
}

TEST_F(Heap, TopIsTheLeastAndStays)
{
    auto items = push_keys({5, 3, 4});
    EXPECT_EQ(coil__heap_top(&heap), &items[1].node);
    EXPECT_EQ(coil__heap_top(&heap), &items[1].node);
    EXPECT_FALSE(coil__heap_empty(&heap));
}

TEST_F(Heap, PopsEveryPermutationInOrder)
{
    std::vector<int> keys{0, 1, 2, 3, 4, 5, 6};
    do {
        auto items = push_keys(keys);
        for (int expected = 0; expected < 7; expected++)
            ASSERT_EQ(pop()->key, expected);
        ASSERT_TRUE(coil__heap_empty(&heap));
    } while (std::next_permutation(keys.begin(), keys.end()));
}

TEST_F(Heap, RemovesAnyNodeOfEveryPermutation)
{
    std::vector<int> keys{0, 1, 2, 3, 4, 5};
    do {
        for (size_t victim = 0; victim < keys.size(); victim++) {
            auto items = push_keys(keys);
            /* A pop in between gives the heap a depth. */
            Item *first = pop();
            if (first != &items[victim])
                remove(items[victim]);
            for (int expected = 1; expected < 6; expected++) {
                if (expected != keys[victim]) {
                    ASSERT_EQ(pop()->key, expected);
                }
            }
            ASSERT_TRUE(coil__heap_empty(&heap));
        }
    } while (std::next_permutation(keys.begin(), keys.end()));
}

TEST_F(Heap, EqualNodesComeOutInTheOrderTheyWentIn)
{
    Ids expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    auto items = push_keys(std::vector<int>(100, 7));
    EXPECT_EQ(drain(), expected);
}

TEST_F(Heap, EqualNodesKeepTheirOrderAmongOthersAndAfterARemoval)
{
    auto items = push_keys({2, 1, 2, 0, 1, 2, 1, 0});
    remove(items[3]);
    remove(items[2]);
    EXPECT_EQ(drain(), (Ids{7, 1, 4, 6, 0, 5}));
}

TEST_F(Heap, ForgetsANodeThatLeft)
{
    auto items = push_keys({1, 2});
    remove(items[1]);
    pop();
    for (Item &item : items) {
        EXPECT_EQ(item.node.child, nullptr);
        EXPECT_EQ(item.node.next, nullptr);
        EXPECT_EQ(item.node.prev, nullptr);
    }
}

TEST_F(Heap, TakesANodeWithStaleLinks)
{
    coil_node stale = {};
    Item item = {{&stale, &stale, &stale}, 1, 0};
    push(item);
    EXPECT_EQ(drain(), Ids{0});
}

TEST_F(HeapDeathTest, RefusesToRemoveANodeThatIsNotIn)
{
    Item item = {{}, 1, 0};
    EXPECT_DEATH(remove(item), "node->prev != NULL");
}

/* Pushes, pops and removes at random; the model keeps equal keys in the order of insertion. */
void run_random_program(Heap &test, unsigned seed, int key_count)
{
    std::mt19937 random(seed);
    std::vector<Item> items(300);
    std::multimap<int, Item *> model;
    std::map<Item *, std::multimap<int, Item *>::iterator> in_heap;
    for (int step = 0; step < 30000; step++) {
        Item *item = &items[random() % items.size()];
        auto found = in_heap.find(item);
        if (found == in_heap.end()) {
            item->key = (int)(random() % (unsigned)key_count);
            test.push(*item);
            in_heap[item] = model.emplace(item->key, item);
        } else if (random() % 2 == 0) {
            test.remove(*item);
            model.erase(found->second);
            in_heap.erase(found);
        } else {
            ASSERT_EQ(test.pop(), model.begin()->second) << "seed " << seed << " step " << step;
            in_heap.erase(model.begin()->second);
            model.erase(model.begin());
        }
        ASSERT_EQ(coil__heap_empty(&test.heap), model.empty());
    }
    for (auto &entry : model)
        ASSERT_EQ(test.pop(), entry.second) << "seed " << seed;
}

TEST_F(Heap, AgreesWithAMultimapInRandomProgramsOfManyKeys)
{
    for (unsigned seed = 0; seed < 10; seed++)
        run_random_program(*this, seed, 1 << 20);
}

TEST_F(Heap, AgreesWithAMultimapInRandomProgramsOfFewKeys)
{
    for (unsigned seed = 0; seed < 10; seed++)
        run_random_program(*this, seed, 5);
}

TEST_F(Heap, AMillionNodesNeedNoRecursion)
{
    constexpr int COUNT = coil_test::kSanitized ? 100000 : 1000000;
    std::vector<int> rising(COUNT);
    std::iota(rising.begin(), rising.end(), 0);
    std::vector<int> falling(rising.rbegin(), rising.rend());
    std::vector<int> mixed = rising;
    std::shuffle(mixed.begin(), mixed.end(), std::mt19937(3));
    for (const auto &keys : {rising, falling, mixed}) {
        auto items = push_keys(keys);
        for (int expected = 0; expected < COUNT; expected++)
            ASSERT_EQ(pop()->key, expected);
    }
}

} // namespace
