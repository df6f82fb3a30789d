#include "stack.h"

#include <stdlib.h>

void push(struct stack *stack, int item)
{
    if (stack->used == stack->room) {
        stack->room = stack->room ? 2 * stack->room : 4;
        stack->items = realloc(stack->items, stack->room * sizeof *stack->items);
        if (!stack->items)
            abort();
    }
    stack->items[stack->used++] = item;
}

int pop(struct stack *stack)
{
    return stack->items[--stack->used];
}
