import { positiveDuration } from './durations.js';
import { hostAndPort } from './network-values.js';
import { deviceId, payloadLimit, topicPrefix } from './text-values.js';

/** Types of settings that other files than the settings files have too. */
export const valueTypes = { deviceId, hostAndPort, payloadLimit, positiveDuration, topicPrefix } as const;
