/**
 * Flags of Node for the services that we start.
 *
 * Messages of more than 4 KiB lie outside V8's heap. V8 counts them, and when 64 MB have come together it marks the whole heap, with help from threads of its own: in a
 * coordinator of four workers every 20 steps, at B = 32 and D = 784. Small objects own them, so a young generation that is collected more often lets them go long before.
 */

/** Megabytes of one half of the young generation; V8's own 16 are not filled before the 64 MB outside are. */
const YOUNG_HALF_MB = 2;

export const SERVICE_NODE_FLAGS: readonly string[] = [`--max-semi-space-size=${YOUNG_HALF_MB}`];
