import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { typedProgram } from './typed-program.js';

describe('the name of the program in advice', () => {
  it('is what has to be typed again', async () => {
    await using directory = temporaryDirectory();
    const [program, link] = [directory.file('app', 'sallyport.mjs'), directory.file('bin', 'tedge')];
    await Promise.all(['app', 'bin'].map((folder) => mkdir(directory.file(folder))));
    await writeFile(program, '');
    await symlink(program, link);
    const called = (file: string | undefined, env = {}) => typedProgram({ file, env, cwd: directory.path });

    expect(called(link, { PATH: `/usr/bin:${directory.file('bin')}` })).toBe('tedge');
    expect(called(program, { npm_command: 'exec' })).toBe('npx sallyport');
    expect(called(program)).toBe('node ./app/sallyport.mjs');
    await chmod(program, 0o755);
    expect(called(program)).toBe('./app/sallyport.mjs');
    expect(typedProgram({ file: program, env: {}, cwd: '/' })).toBe(program.replace('/', './'));
    expect(typedProgram({ file: link, env: {}, cwd: directory.file('app') })).toBe(link);
    expect(called('/opt/sallyport/cli/main.js')).toBe('sallyport');
    expect(called(undefined)).toBe('sallyport');
  });
});
