import { describe, expect, it } from 'vitest';
import {
  configuredGroups,
  declaredGroups,
  entranceDefinition,
  entranceGroup,
  entranceGroups,
  entrances,
  isMutualOnly,
} from './entrances.js';

describe('the table of entrances', () => {
  it('names every entrance once, in the order in which their level changes', () => {
    expect(entranceGroups).toEqual(['http', 'registry', 'pki', 'pki.public', 'mqtt']);
  });

  it('knows those whose level the settings decide', () => {
    expect(configuredGroups).toEqual(['http', 'registry', 'mqtt']);
  });

  it('knows those whose settings are declared from their row', () => {
    expect(declaredGroups).toEqual(['registry']);
  });

  it('keeps the entrance of administrators shut below level mutual, and no other', () => {
    expect(entranceGroups.filter((group) => isMutualOnly(entranceDefinition(group)))).toEqual(['registry']);
  });

  it('gives no port to two entrances', () => {
    const ports = Object.values(entrances).map(({ defaultPort }) => defaultPort);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('names entrances on the wire', () => {
    expect(entranceGroup.safeParse('http').success).toBe(true);
    expect(entranceGroup.safeParse('agent').success).toBe(false);
  });
});
