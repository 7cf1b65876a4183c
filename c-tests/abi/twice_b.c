/* A second unit of the same program that includes the header: nothing in it may be defined twice. */
#include <greenrt.h>

uint32_t abi_seen_by_b(void);
uint32_t abi_seen_by_b(void) { return gt_abi_version(); }
