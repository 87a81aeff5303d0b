#ifndef HIL_CORTEXM_H
#define HIL_CORTEXM_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Sleep until an interrupt is pending; no handler runs, because interrupts stay masked. */
void hil_cortexm_sleep(void);

/* Let interrupt `number` wake the sleeper, and forget that it is pending. */
void hil_cortexm_wake_on(uint32_t number);
void hil_cortexm_forget(uint32_t number);

#endif
