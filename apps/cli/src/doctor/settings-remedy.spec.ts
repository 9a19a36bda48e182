import { describe, expect, it } from 'vitest';
import { fileRemedy } from './settings-remedy.js';

describe('the command for a settings file', () => {
  it.each([
    ['tedge.toml cannot be read (EACCES). Check its permissions.', "chmod u+rw '/etc/my site/tedge.toml'"],
    ['tedge.toml is not valid TOML at line 18, column 1.', `\${EDITOR:-vi} '/etc/my site/tedge.toml'`],
  ])('where %s', (fault, command) => {
    expect(fileRemedy(fault, '/etc/my site/tedge.toml')).toBe(command);
  });
});
