import { malformed } from './packet-error.js';
import type { Qos } from './packets.js';

/**
 * @param bits 0 to 3
 * @param holder whose QoS it is, for the error
 * @see MQTT 5.0 [MQTT-3.3.1-4]: not 3
 */
export function qosOf(bits: number, holder: string): Qos {
  if (bits === 0 || bits === 1 || bits === 2) return bits;
  throw malformed(`${holder} has QoS 3`);
}
