/* SPDX-License-Identifier: MIT */
/* base/list.h */
extern "C" {
#include "base/list.h"
}

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace {

struct Item {
    int id;
    coil_link link;
};

Item *item_of(coil_link *link)
{
    return coil__container_of(link, Item, link);
}

/* The ids in the list, read forwards; also asserts that backwards reads the same. */
std::vector<int> ids(coil_link *list)
{
    std::vector<int> forwards, backwards;
    for (coil_link *link = list->next; link != list; link = link->next)
        forwards.push_back(item_of(link)->id);
    for (coil_link *link = list->prev; link != list; link = link->prev)
        backwards.insert(backwards.begin(), item_of(link)->id);
    EXPECT_EQ(forwards, backwards);
    return forwards;
}

struct List : testing::Test {
    coil_link list;
    Item a{1, {}}, b{2, {}}, c{3, {}};

    List() { coil__list_init(&list); }
};

using Ids = std::vector<int>;

TEST_F(List, IsEmptyAfterInit)
{
    EXPECT_TRUE(coil__list_empty(&list));
    EXPECT_EQ(ids(&list), Ids{});
}

TEST_F(List, AppendsAtTheEnd)
{
    coil__list_append(&list, &a.link);
    coil__list_append(&list, &b.link);
    EXPECT_FALSE(coil__list_empty(&list));
    EXPECT_EQ(ids(&list), (Ids{1, 2}));
}

TEST_F(List, PrependsAtTheFront)
{
    coil__list_prepend(&list, &a.link);
    coil__list_prepend(&list, &b.link);
    EXPECT_EQ(ids(&list), (Ids{2, 1}));
}

TEST_F(List, InsertsBeforeAnyElement)
{
    coil__list_append(&list, &a.link);
    coil__list_append(&list, &b.link);
    coil__list_insert(&b.link, &c.link);
    EXPECT_EQ(ids(&list), (Ids{1, 3, 2}));
}

TEST_F(List, ElementKnowsWhetherItIsLinked)
{
    EXPECT_FALSE(coil__list_linked(&a.link));
    coil__list_append(&list, &a.link);
    EXPECT_TRUE(coil__list_linked(&a.link));
    coil__list_remove(&a.link);
    EXPECT_FALSE(coil__list_linked(&a.link));
}

TEST_F(List, RemovesFromTheFrontTheMiddleAndTheEnd)
{
    Item d{4, {}};
    for (Item *item : {&a, &b, &c, &d})
        coil__list_append(&list, &item->link);
    coil__list_remove(&b.link);
    EXPECT_EQ(ids(&list), (Ids{1, 3, 4}));
    coil__list_remove(&a.link);
    EXPECT_EQ(ids(&list), (Ids{3, 4}));
    coil__list_remove(&d.link);
    EXPECT_EQ(ids(&list), (Ids{3}));
    coil__list_remove(&c.link);
    EXPECT_TRUE(coil__list_empty(&list));
}

TEST_F(List, TakesAnElementBackAfterItsRemoval)
{
    coil__list_append(&list, &a.link);
    coil__list_append(&list, &b.link);
    coil__list_remove(&a.link);
    coil__list_append(&list, &a.link);
    EXPECT_EQ(ids(&list), (Ids{2, 1}));
}

TEST_F(List, PopsFromTheFrontAndUnlinks)
{
    coil__list_append(&list, &a.link);
    coil__list_append(&list, &b.link);
    EXPECT_EQ(coil__list_pop(&list), &a.link);
    EXPECT_FALSE(coil__list_linked(&a.link));
    EXPECT_EQ(ids(&list), Ids{2});
}

TEST_F(List, PopsNullWhenEmpty)
{
    EXPECT_EQ(coil__list_pop(&list), nullptr);
    EXPECT_TRUE(coil__list_empty(&list));
}

TEST_F(List, SplicesAllToTheEndAndLeavesTheSourceEmpty)
{
    coil_link from;
    coil__list_init(&from);
    coil__list_append(&list, &a.link);
    coil__list_append(&from, &b.link);
    coil__list_append(&from, &c.link);
    coil__list_splice(&list, &from);
    EXPECT_EQ(ids(&list), (Ids{1, 2, 3}));
    EXPECT_TRUE(coil__list_empty(&from));
}

TEST_F(List, SplicesIntoAnEmptyList)
{
    coil_link from;
    coil__list_init(&from);
    coil__list_append(&from, &a.link);
    coil__list_splice(&list, &from);
    EXPECT_EQ(ids(&list), Ids{1});
    EXPECT_TRUE(coil__list_empty(&from));
}

TEST_F(List, SplicingAnEmptyListChangesNothing)
{
    coil_link from;
    coil__list_init(&from);
    coil__list_append(&list, &a.link);
    coil__list_splice(&list, &from);
    EXPECT_EQ(ids(&list), Ids{1});
    EXPECT_TRUE(coil__list_empty(&from));
}

TEST_F(List, AgreesWithADequeInARandomProgram)
{
    std::mt19937 random(1);
    std::vector<Item> items(40);
    std::deque<int> model;
    for (int id = 0; id < (int)items.size(); id++)
        items[(size_t)id] = Item{id, {}};

    for (int step = 0; step < 20000; step++) {
        Item *item = &items[random() % items.size()];
        if (coil__list_linked(&item->link)) {
            coil__list_remove(&item->link);
            model.erase(std::find(model.begin(), model.end(), item->id));
        } else if (random() % 2 == 0) {
            coil__list_append(&list, &item->link);
            model.push_back(item->id);
        } else {
            coil__list_prepend(&list, &item->link);
            model.push_front(item->id);
        }
        ASSERT_EQ(ids(&list), Ids(model.begin(), model.end())) << "step " << step;
    }
}

} // namespace
