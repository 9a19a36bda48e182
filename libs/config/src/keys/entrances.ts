import { type DeclaredGroup, declaredGroups, entranceDefinition, entrances } from '@sallyport/protocol';
import type { z } from 'zod';
import { ipAddress, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath } from '../text-values.js';

type Row<G extends DeclaredGroup> = (typeof entrances)[G];
type FileKey<G extends DeclaredGroup> = Row<G>['keys']['cert' | 'key' | 'ca'];

/** The settings of the entrances whose rows say so, with the types their values have. */
type EntranceKeys = { [G in DeclaredGroup as `${G}.bind.address`]: typeof ipAddress.schema } & {
  [G in DeclaredGroup as `${G}.bind.port`]: Row<G> extends { readonly defaultPort: number }
    ? typeof port.schema
    : z.ZodOptional<typeof port.schema>;
} & { [G in DeclaredGroup as FileKey<G>]: z.ZodOptional<typeof absolutePath.schema> };

/** Address, port and certificate settings of each entrance that the table in `libs/protocol` declares completely. */
export const entranceKeys: EntranceKeys = declaredKeys();

function declaredKeys(): EntranceKeys {
  const keys = Object.fromEntries(declaredGroups.flatMap(keysOf));
  // The names are made at run time, where the compiler cannot follow.
  if (isComplete(keys)) return keys;
  throw new Error('an entrance of the table lacks a setting');
}

function isComplete(keys: Readonly<Record<string, z.ZodType>>): keys is EntranceKeys & Record<string, z.ZodType> {
  const names = declaredGroups.flatMap((group) => [
    `${group}.bind.address`,
    `${group}.bind.port`,
    ...Object.values(entrances[group].keys),
  ]);
  return names.every((name) => Object.hasOwn(keys, name));
}

function keysOf(group: DeclaredGroup): [string, z.ZodType][] {
  const { keys, settingsOf } = entrances[group];
  const isOwn = true;
  return [
    [
      `${group}.bind.address`,
      setting(ipAddress, {
        doc: `Address ${settingsOf} listens on.`,
        default: '127.0.0.1',
        examples: ['127.0.0.1'],
        isOwn,
      }),
    ],
    [`${group}.bind.port`, portOf(group)],
    [keys.cert, optionalSetting(absolutePath, { doc: `Certificate of ${settingsOf} (PEM, leaf first).`, isOwn })],
    [keys.key, optionalSetting(absolutePath, { doc: `Private key of \`${keys.cert}\` (PEM).`, isOwn })],
    [
      keys.ca,
      optionalSetting(absolutePath, {
        doc: `File or directory of CA certificates (PEM) that clients of ${settingsOf} must prove themselves with.`,
        isOwn,
      }),
    ],
  ];
}

function portOf(group: DeclaredGroup): z.ZodType {
  const { defaultPort, settingsOf = '' } = entranceDefinition(group);
  const doc = `Port ${settingsOf} listens on; 0 takes any free port.`;
  if (defaultPort !== undefined)
    return setting(port, { doc, default: defaultPort, examples: [String(defaultPort)], isOwn: true });
  return optionalSetting(port, {
    doc:
      `${doc} Unset: it is not offered on the network. ` +
      'After a change, run `sallyport secure` with the level of the site, or restart the service.',
    isOwn: true,
  });
}
