import { setting } from '../setting.js';
import { cloudNames } from '../text-values.js';

/** Which clouds this device is connected to. */
export const cloudConnectionKeys = {
  'cloud.connections': setting(cloudNames, {
    doc: 'Clouds this device is connected to: `c8y`, `az`, `aws`, one of their profiles (`c8y@plant2`), or the name of a user-defined mapper. `tedge connect` adds to it, `tedge disconnect` removes from it.',
    default: [],
    examples: ['c8y', 'c8y@plant2,az'],
    isOwn: true,
  }),
} as const;
