// SPDX-License-Identifier: GPL-2.0-or-later
/* lock.c - the waiting half of the locks around globals. */
#include "pure.h"

/* The holder is a handler on another CPU with interrupts off: it ends soon. */
void rst_lock_wait(struct rst_lock *lock)
{
	unsigned int free;

	do {
		while (__atomic_load_n(&lock->taken, __ATOMIC_RELAXED))
			rst_relax();
		free = 0;
	} while (!__atomic_compare_exchange_n(&lock->taken, &free, 1, 0, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
}
