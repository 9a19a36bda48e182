import type { DeviceContact, DeviceValues } from '../values/device-values.js';
import type { DeviceValuesOverMqtt } from './device-work.js';

/**
 * The values of a device that has a session.
 *
 * @param contact asked for each write, since the rules of the connector may change
 * @throws what `contact` throws, by rejecting
 */
export function valuesOverMqtt(values: DeviceValues, contact: () => DeviceContact): DeviceValuesOverMqtt {
  return {
    write: async (alias, value) => void (await values.writeAll(contact(), new Map([[alias, value]]))),
    record: async (points) => void (await values.record(contact(), points)),
    onCommand: (listener) => values.onDesired(contact(), listener),
  };
}
