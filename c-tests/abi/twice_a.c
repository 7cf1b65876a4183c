/* Includes the header twice: the second time must add nothing. */
#include <greenrt.h>
#include <greenrt.h>

uint32_t abi_seen_by_a(void);
uint32_t abi_seen_by_a(void) { return gt_abi_version(); }
