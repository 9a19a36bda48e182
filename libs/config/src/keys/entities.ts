import { setting } from '../setting.js';
import { flag, text } from '../text-values.js';
import { oneOf } from '../value-type.js';

const timeFormat = oneOf('TimeFormat', ['unix', 'rfc-3339']);

/** Entities, and the health of services, which we keep and show as thin-edge.io does. */
export const entityKeys = {
  'agent.entity_store.auto_register': setting(flag, {
    doc: 'Whether unknown devices are registered by their first message.',
    default: true,
    examples: ['true', 'false'],
  }),
  'agent.entity_store.clean_start': setting(flag, {
    doc: 'Whether registrations are forgotten at a start.',
    default: false,
    examples: ['true', 'false'],
  }),
  'service.type': setting(text, {
    doc: 'Type of the services of thin-edge.io, as reported to the cloud.',
    default: 'service',
    examples: ['systemd'],
  }),
  'service.timestamp_format': setting(timeFormat, {
    doc: 'How services write the time of their start.',
    default: 'unix',
    examples: ['rfc-3339'],
  }),
} as const;
