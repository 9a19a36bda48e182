import { entranceDefinition, entranceGroups } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { describeKey, isConfigKey } from './schema.js';

describe('the settings of an entrance', () => {
  it.each(entranceGroups)('exist for %s under every name its row gives', (group) => {
    const { keys, clientHostKey, clientPortKey, urlKey } = entranceDefinition(group);
    const files = keys === undefined ? [] : Object.values(keys);
    const optional = [clientHostKey, clientPortKey, urlKey].filter((key) => key !== undefined);
    const names = [`${group}.bind.address`, `${group}.bind.port`, ...files, ...optional];
    expect(names.filter((name) => !isConfigKey(name))).toEqual([]);
  });

  it.each(entranceGroups)('have for %s the port of its row as default', (group) => {
    expect(describeKey(`${group}.bind.port`).default).toBe(entranceDefinition(group).defaultPort);
  });
});
