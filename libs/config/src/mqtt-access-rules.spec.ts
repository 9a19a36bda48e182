import { describe, expect, it } from 'vitest';
import { parseMqttAccessRules } from './mqtt-access-rules.js';

function faultOf(lines: readonly string[]): string {
  try {
    parseMqttAccessRules(lines.join('\n'), 'mqtt-access.toml');
    return 'accepted';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const device = ['[[rule]]', 'roles = ["device"]'];

describe('rules of a site for MQTT topics', () => {
  it('give rights to roles and to names', () => {
    const text = `
[[rule]]
purpose = "Presses report their speed."
roles = ["device", "gateway"]
names = ["press-7"]
publish = ["plant/{id}/speed"]
subscribe = ["plant/all/#", "plant/+/x"]

[[rule]]
names = ["grafana"]
subscribe = ["te/#"]
`;
    expect(parseMqttAccessRules(text, 'x')).toEqual([
      {
        purpose: 'Presses report their speed.',
        roles: ['device', 'gateway'],
        names: ['press-7'],
        publish: ['plant/{id}/speed'],
        subscribe: ['plant/all/#', 'plant/+/x'],
      },
      { purpose: 'A rule of this site.', roles: [], names: ['grafana'], publish: [], subscribe: ['te/#'] },
    ]);
  });

  it('may be none', () => {
    expect(parseMqttAccessRules('# nothing yet\n', 'x')).toEqual([]);
  });

  it.each([
    [[...device, 'publish = ["a/#/b"]'], 3, 'publish holds "a/#/b": it is not a topic filter'],
    [[...device, 'publish = [', '  "a",', '  "b+",', ']'], 5, 'publish holds "b+": it is not a topic filter'],
    [[...device, 'subscribe = ["#"]'], 3, 'subscribe holds "#": it reaches sallyport/v1/#'],
    [[...device, 'publish = ["sallyport/events/#"]'], 3, 'it reaches sallyport/events/#, where only services publish'],
    [[...device, 'publish = ["+/v1/rpc/x"]'], 3, 'publish holds "+/v1/rpc/x": it reaches sallyport/v1/#'],
    [[...device, 'publish = ["{id}/v1/x"]'], 3, 'publish holds "{id}/v1/x": it reaches sallyport/v1/#'],
    [[...device, 'publish = ["a"]', '', ...device, 'publish = ["sallyport/v1"]'], 7, 'publish holds "sallyport/v1"'],
    [[...device, 'subscribe = ["$SYS/#"]'], 3, 'topics that begin with "$" belong to the broker.'],
    [[...device, 'publish = ["a/{name}"]'], 3, 'the only text that may stand in braces is {id}'],
    [[...device, 'publish = ["a\\nuser b"]'], 3, 'control character'],
    [[...device, 'publish = [7]'], 3, 'publish holds 7, which is not a text.'],
    [[...device, 'publish = "a"'], 3, 'publish is "a", which is not a list of texts.'],
    [
      ['[[rule]]', 'roles = ["anonymous"]', 'publish = ["a"]'],
      2,
      'roles holds "anonymous". Rules can be for these roles',
    ],
    [['[[rule]]', 'names = ["a b"]', 'publish = ["a"]'], 2, 'names holds "a b"'],
    [['[[rule]]', 'names = ["pki-signer"]', 'publish = ["a"]'], 2, 'A service of Sallyport has the rights it needs.'],
    [['[[rule]]', 'publish = ["a"]'], 1, 'The rule is for nobody.'],
    [['', ...device], 2, 'The rule gives no rights.'],
    [[...device, 'publsh = ["a"]'], 3, '"publsh" is not known.'],
    [[...device, 'publish = ["a"]', '[rules]', 'x = 1'], 4, '"rules" is not known. Write [[rule]].'],
    [['[rule]', 'roles = ["device"]'], 1, 'below a line [[rule]]'],
    [['rule = [{ roles = ["device"], publish = ["a"] }]'], 1, 'below a line [[rule]]'],
    [[...device, 'publish = ["a"'], 3, 'is not valid TOML'],
  ])('are refused with the line and the value: %j', (lines, line, reason) => {
    const fault = faultOf(lines);
    expect(fault).toContain(`line ${line}`);
    expect(fault).toContain(reason);
    expect(fault).toContain('mqtt-access.toml');
  });

  it('are at most 256', () => {
    const rule = [...device, 'publish = ["a"]'];
    expect(faultOf(Array.from({ length: 257 }, () => rule).flat())).toContain('There are 257 rules; 256 may be used.');
  });
});
