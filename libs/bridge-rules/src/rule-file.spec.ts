import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ruleFaultText } from './rule-fault.js';
import { readRuleFile } from './rule-file.js';
import { ruleSetOf, variablesOf } from './rules.fixture.js';
import type { RuleVariables } from './variables.js';

const variables = variablesOf({
  'mapper.bridge.topic_prefix': 'c8y',
  'mapper.on': true,
  'mapper.off': false,
  'mapper.list': ['one', 'two'],
  'mapper.empty': [],
  'tedge.mode': 'fast',
});

function faultsIn(text: string, given: RuleVariables = variables): string[] {
  return readRuleFile({ name: 'x.toml', text }, given).faults.map(ruleFaultText);
}

const head = 'local_prefix = "c8y/"\nremote_prefix = ""\n';

describe('a file of bridge rules', () => {
  it('gives each rule the prefixes above all rules, unless it has its own', () => {
    const { rules } = ruleSetOf(`
local_prefix = "c8y/"
remote_prefix = "cloud/"
[[rule]]
topic = "s/us"
direction = "outbound"
[[rule]]
local_prefix = "other/"
remote_prefix = ""
topic = "s/ds"
direction = "inbound"
`);
    expect(rules).toEqual([
      {
        name: 'outbound c8y/s/us',
        origin: { file: 'rules.toml', line: 4 },
        direction: 'outbound',
        localPrefix: 'c8y/',
        remotePrefix: 'cloud/',
        topic: 's/us',
        localFilter: 'c8y/s/us',
        remoteFilter: 'cloud/s/us',
      },
      {
        name: 'inbound s/ds',
        origin: { file: 'rules.toml', line: 7 },
        direction: 'inbound',
        localPrefix: 'other/',
        remotePrefix: '',
        topic: 's/ds',
        localFilter: 'other/s/ds',
        remoteFilter: 's/ds',
      },
    ]);
  });

  it('puts the values of variables into prefixes and topics', () => {
    const text = `
local_prefix = "\${mapper.bridge.topic_prefix}/"
remote_prefix = "\${connection.auth_method}/"
[[rule]]
topic = "\${tedge.mode}/#"
direction = "outbound"
`;
    expect(ruleSetOf(text, variables).rules[0]).toMatchObject({
      localFilter: 'c8y/fast/#',
      remoteFilter: 'certificate/fast/#',
    });
  });

  it.each([
    ['["s", "t"]', ['s/us', 't/us']],
    [`"\${mapper.list}"`, ['one/us', 'two/us']],
  ])('makes a rule for each item of %s', (list, topics) => {
    const text = `${head}[[template_rule]]\nfor = ${list}\ntopic = "\${item}/us"\ndirection = "outbound"\n`;
    expect(ruleSetOf(text, variables).rules.map(({ topic }) => topic)).toEqual(topics);
  });

  it('has its rules before its template rules, as thin-edge.io has', () => {
    const template = `[[template_rule]]\nfor = ["a"]\ntopic = "\${item}"\ndirection = "outbound"\n`;
    const { rules } = ruleSetOf(`${head}${template}[[rule]]\ntopic = "b"\ndirection = "outbound"\n`);
    expect(rules.map(({ topic }) => topic)).toEqual(['b', 'a']);
  });

  it.each([
    [`"\${mapper.on}"`, true, ''],
    [`"\${mapper.off}"`, false, `\${mapper.off} is false.`],
    [`"!\${mapper.off}"`, true, ''],
    [`"!\${mapper.on}"`, false, `\${mapper.on} is true.`],
    [`"\${connection.auth_method} == 'certificate'"`, true, ''],
    [`"\${connection.auth_method} == 'password'"`, false, `\${connection.auth_method} is 'certificate'.`],
    [`"\${tedge.mode} == 'fast'"`, true, ''],
    [`"\${tedge.mode} == 'slow'"`, false, `\${tedge.mode} is 'fast'.`],
  ])('with if = %s is in force: %s', (condition, isOn, reason) => {
    const inRule = ruleSetOf(`${head}[[rule]]\nif = ${condition}\ntopic = "a"\ndirection = "outbound"\n`, variables);
    const inFile = ruleSetOf(`if = ${condition}\n${head}[[rule]]\ntopic = "a"\ndirection = "outbound"\n`, variables);
    expect([inRule.rules.length, inFile.rules.length]).toEqual(isOn ? [1, 1] : [0, 0]);
    const origin = { file: 'rules.toml', line: 3 };
    expect(inRule.skipped).toEqual(isOn ? [] : [{ origin, reason }]);
    expect(inFile.skipped.map((one) => one.reason)).toEqual(isOn ? [] : [`The whole file is off: ${reason}`]);
  });

  it('tells that a list has no items, so that no rules come of it', () => {
    const text = `${head}[[template_rule]]\nfor = "\${mapper.empty}"\ntopic = "s/dc/\${item}"\ndirection = "inbound"\n`;
    const { rules, skipped } = ruleSetOf(text, variables);
    expect(rules).toEqual([]);
    expect(skipped).toEqual([{ origin: { file: 'rules.toml', line: 3 }, reason: 'The list of "for" is empty.' }]);
  });

  it('reports everything that is wrong at once, with the line', () => {
    const text = `colour = "red"
local_prefix = "c8y"
remote_prefix = "\${mapper.unset}/"

[[rule]]
topic = "a/#/b"
direction = "sideways"

[[rule]]
topic = "a"
direction = "outbound"
qos = 1

[[template_rule]]
topic = "\${item}"
direction = "inbound"
if = "maybe"
`;
    expect(faultsIn(text)).toEqual([
      'x.toml, line 1: "colour" is not known. Use local_prefix, remote_prefix, if, rule, template_rule.',
      'x.toml, line 3: remote_prefix: mapper.unset has no value.',
      'x.toml, line 7: direction must be "inbound", "outbound" or "bidirectional".',
      'x.toml, line 12: "qos" is not known. Use topic, direction, local_prefix, remote_prefix, if.',
      `x.toml, line 17: if = "maybe": It is not understood. Write "\${name}", "!\${name}" or "\${name} == 'text'".`,
      'x.toml, line 14: for is missing. Write a list of texts, or the variable of one.',
    ]);
  });

  it('reports a prefix above all rules once, where it stands', () => {
    const rules = '[[rule]]\ntopic = "a"\ndirection = "outbound"\n'.repeat(3);
    expect(faultsIn(`local_prefix = "c8y"\nremote_prefix = ""\n${rules}`)).toEqual([
      'x.toml, line 1: local_prefix "c8y" does not end with "/". Write "c8y/".',
    ]);
  });

  it.each([`"\${mapper.off}"`, `"\${connection.auth_method} == 'password'"`])(
    'reports what is wrong in rules that are off: if = %s',
    (condition) => {
      expect(faultsIn(`${head}[[rule]]\nif = ${condition}\ntopic = "a/#/b"\ndirection = "outbound"\n`)).toHaveLength(1);
      expect(
        faultsIn(`if = ${condition}\n${head}[[rule]]\ntopic = "\${no.such}"\ndirection = "outbound"\n`),
      ).toHaveLength(1);
    },
  );

  it('reports what is wrong in the topic of an empty list', () => {
    const text = `${head}[[template_rule]]\nfor = []\ntopic = "\${item}/#/x"\ndirection = "inbound"\n`;
    expect(faultsIn(text)).toHaveLength(1);
  });

  it.each([
    ['topic = "a/#/b"', 'topic "a/#/b" is not a topic filter'],
    ['topic = "a+"', 'topic "a+" is not a topic filter'],
    ['topic = "$share/g/a"', 'topic "$share/g/a" is not a topic filter'],
    ['topic = "a\\u0000b"', 'is not a topic filter'],
    ['topic = "a\\nb"', 'is not a topic filter'],
    ['topic = 7', 'topic is not a text'],
    ['', 'topic is missing'],
    ['topic = ""', 'topic is empty, so remote_prefix is a whole topic'],
    ['topic = "a"\nlocal_prefix = "x+/"', 'local_prefix "x+/" holds "+", "#" or a control character'],
    ['topic = "a"\nlocal_prefix = "x"', 'local_prefix "x" does not end with "/". Write "x/".'],
    [`topic = "\${item}"`, `\${item} may stand only in the topic of a [[template_rule]].`],
    [`topic = "\${mapper.list}"`, `\${mapper.list} is a list.`],
    [`topic = "\${nothing}"`, `\${nothing} is not known. Use \${tedge.<key>}`],
    [`topic = "\${mapper.bridge"`, `"\${mapper.bridge" has no "}".`],
    ['topic = "a"\nif = true', 'if is not a text'],
    [
      `topic = "a"\nif = "\${connection.auth_method} == 'basic'"`,
      "is never 'basic'. It is 'certificate' or 'password'.",
    ],
    [`topic = "a"\nif = "\${tedge.mode}"`, `\${tedge.mode} is not true or false.`],
    [`topic = "a"\nif = "!\${tedge.mode} == 'a'"`, 'It is not understood.'],
    ['topic = "a"\nfor = ["x"]', '"for" is not known.'],
  ])('refuses a rule with %s', (lines, fault) => {
    const found = faultsIn(`${head}[[rule]]\ndirection = "outbound"\n${lines}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(fault);
  });

  it.each([
    ['local_prefix', '', '#'],
    ['local_prefix', 'sallyport/', 'v1/rpc/#'],
    ['local_prefix', 'sallyport/v1/', 'events'],
    ['local_prefix', '', '+/v1/x'],
    ['local_prefix', '$SYS/', 'broker/#'],
    ['local_prefix', '$share/g/', 'a'],
    ['remote_prefix', '$SYS/', '#'],
    ['remote_prefix', '$share/g/', 'a'],
    ['remote_prefix', 'sallyport/v1/', 'rpc/#'],
  ])('never reaches what belongs to the services or to a broker: %s = "%s", topic = "%s"', (key, prefix, topic) => {
    const other = key === 'local_prefix' ? 'remote_prefix' : 'local_prefix';
    for (const direction of ['inbound', 'outbound', 'bidirectional']) {
      const rule = `[[rule]]\n${key} = "${prefix}"\n${other} = "x/"\ntopic = "${topic}"\ndirection = "${direction}"\n`;
      expect(faultsIn(rule)).toHaveLength(1);
    }
  });

  it('refuses rules that are not written below [[rule]]', () => {
    expect(faultsIn(`${head}rule = [{ topic = "a", direction = "inbound" }]\n`)).toEqual([
      'x.toml, line 3: Write each rule as a table of its own, below a line [[rule]].',
    ]);
  });

  it('is refused as a whole when it is no TOML, without a word of its content', () => {
    const [fault, ...others] = faultsIn(`${head}[[rule]]\npassword = s3cret\n`);
    expect(others).toEqual([]);
    expect(fault).toMatch(/x\.toml is not valid TOML at line 4, column \d+/);
    expect(fault).not.toContain('s3cret');
  });

  it('has bounds for its tables, its lists and its texts', () => {
    const rule = '[[rule]]\ntopic = "a"\ndirection = "outbound"\n';
    expect(faultsIn(head + rule.repeat(257))).toEqual(['x.toml: There are 257 [[rule]]; 256 may be used.']);
    const items = JSON.stringify(Array.from({ length: 257 }, (_, index) => `${index}`));
    const template = `[[template_rule]]\nfor = ${items}\ntopic = "\${item}"\ndirection = "outbound"\n`;
    expect(faultsIn(head + template)).toEqual(['x.toml, line 4: for has 257 items; 256 may be used.']);
    const long = `[[rule]]\ntopic = "${'a'.repeat(1_025)}"\ndirection = "outbound"\n`;
    expect(faultsIn(head + long)).toEqual(['x.toml, line 4: topic has 1025 characters; 1024 may be used.']);
  });

  it('lets a value of a setting hold no wildcard where a prefix is plain text', () => {
    const text = `local_prefix = "\${tedge.mode}/"\nremote_prefix = ""\n[[rule]]\ntopic = "a"\ndirection = "outbound"\n`;
    expect(faultsIn(text, variablesOf({ 'tedge.mode': '+' }))).toEqual([
      'x.toml, line 1: local_prefix "+/" holds "+", "#" or a control character. A prefix is plain text.',
    ]);
  });

  it('is read or refused, whatever it holds, and every fault has a line of the file', () => {
    const keys = ['topic', 'direction', 'local_prefix', 'remote_prefix', 'if', 'for', 'rule', '__proto__'];
    const values = [
      '""',
      '"a/"',
      `"\${"`,
      `"\${item}"`,
      '"#"',
      '[]',
      '["a", 1]',
      'true',
      '{}',
      '"\\u0000"',
      '"inbound"',
    ];
    const pair = fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...values)).map((parts) => parts.join(' = '));
    const header = fc.constantFrom('[[rule]]', '[[template_rule]]', '[rule]', '[[rule.x]]', '# note');
    const line = fc.oneof(pair, header, fc.string());
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.join('\n');
        const { faults } = readRuleFile({ name: 'x.toml', text }, variables);
        const places = faults.flatMap((fault) => fault.line ?? []);
        expect(places.every((place) => place >= 1 && place <= text.split('\n').length)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
