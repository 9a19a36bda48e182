import { describe, expect, it } from 'vitest';
import {
  configuredGroups,
  declaredGroups,
  entranceDefinition,
  entranceGroup,
  entranceGroups,
  isMutualOnly,
} from './entrances.js';

const rows = entranceGroups.map(entranceDefinition);

describe('the table of entrances', () => {
  it('names every entrance once, in the order in which their level changes', () => {
    expect(entranceGroups).toEqual([
      'http',
      'c8y.proxy',
      'registry',
      'pki',
      'pki.public',
      'pki.admin',
      'connector',
      'connector.mqtt',
      'coap',
      'pki.coap',
      'coap.admin',
      'mqtt',
      'mqtt.websocket',
      'mqtt.external',
    ]);
  });

  it('knows those whose level the settings decide', () => {
    expect(configuredGroups).toEqual([
      'http',
      'c8y.proxy',
      'registry',
      'pki.admin',
      'coap.admin',
      'mqtt',
      'mqtt.websocket',
      'mqtt.external',
    ]);
  });

  it('knows those whose settings are declared from their row', () => {
    expect(declaredGroups).toEqual(['registry', 'pki.admin', 'coap.admin']);
  });

  it('keeps the entrances of administrators shut below level mutual, and no others', () => {
    expect(rows.filter(isMutualOnly)).toEqual(rows.filter(({ isAdminApi }) => isAdminApi));
    expect(rows.filter(isMutualOnly).map(({ permittedKinds }) => permittedKinds)).toEqual([
      ['admin'],
      ['admin'],
      ['admin'],
    ]);
  });

  it('gives no port to two entrances', () => {
    const ports = rows.flatMap(({ defaultPort }) => defaultPort ?? []);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('names entrances on the wire', () => {
    expect(entranceGroup.safeParse('http').success).toBe(true);
    expect(entranceGroup.safeParse('agent').success).toBe(false);
  });
});
