import { describe, expect, it } from 'vitest';
import { choiceToMake } from './site-of-machine.mjs';

const machine = (changes = {}) => ({
  args: [],
  environment: {},
  isOurs: () => true,
  isTerminal: false,
  ask: () => Promise.reject(new Error('nobody is there')),
  ...changes,
});

describe('npm start on a machine with a site in /etc/tedge', () => {
  it('refuses, and gives the commands for both sites', async () => {
    const text = await choiceToMake(machine());
    expect(text).toMatch(/^\/etc\/tedge is the site of this machine, and this start would use its keys/);
    expect(text).toMatch(/^ {2}export TEDGE_CONFIG_DIR='\/.*\/\.sallyport'\n {2}npm start$/m);
    expect(text).toMatch(/^ {2}TEDGE_CONFIG_DIR=\/etc\/tedge npm start$/m);
  });

  it('asks at a terminal, and takes yes', async () => {
    const questions = [];
    const ask = (answer) => (question) => {
      questions.push(question);
      return Promise.resolve(answer);
    };
    expect(await choiceToMake(machine({ isTerminal: true, ask: ask(true) }))).toBeUndefined();
    expect(await choiceToMake(machine({ isTerminal: true, ask: ask(false) }))).toContain('export TEDGE_CONFIG_DIR=');
    expect(questions[0]).toBe('/etc/tedge is the site of this machine. Run on it? [y/N] ');
  });

  it.each([
    ['the environment names a directory', { environment: { TEDGE_CONFIG_DIR: '/etc/tedge' } }],
    ['an option names a directory', { args: ['--config-dir', '/srv/site'] }],
    ['an option with "=" names a directory', { args: ['--config-dir=/srv/site'] }],
    ['somebody asks for help', { args: ['--help'] }],
    ['it may not write there', { isOurs: () => false }],
  ])('asks nothing when %s', async (_when, changes) => {
    expect(await choiceToMake(machine(changes))).toBeUndefined();
  });
});
