/* main.c - the program's entry. */
#include <stdio.h>

int main(void)
{
    printf("gristmill %s\n", GM_VERSION);
    return 0;
}
