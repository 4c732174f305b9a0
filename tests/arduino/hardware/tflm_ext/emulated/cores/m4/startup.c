/* SPDX-License-Identifier: 0BSD */
/* From reset to main() on the emulated core. A fault ends in an endless loop, silently. */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern int main(void);
extern void __libc_init_array(void);
void reset_handler(void);
void _init(void);

/* Called by __libc_init_array(). */
void _init(void)
{
}

static void fault_handler(void)
{
    for (;;) {
    }
}

void reset_handler(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to != data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to != bss_end; ++to) {
        *to = 0u;
    }
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* switch the FPU on */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
    __libc_init_array();
    (void)main();
    fault_handler();
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top,     (uintptr_t)reset_handler, (uintptr_t)fault_handler,
    (uintptr_t)fault_handler, (uintptr_t)fault_handler, (uintptr_t)fault_handler,
    (uintptr_t)fault_handler,
};
