import { describe, expect, it } from 'vitest';
import { aptMirrors, aptNetworkSettings } from './apt-sources.mjs';

/** A machine whose apt prints this. */
function machine({ targets = [], settings = [], codename = 'bookworm' }) {
  return {
    osRelease: () => `ID=debian\nVERSION_CODENAME=${codename}\n`,
    run: (program) => (program === 'apt-get' ? targets : settings).join('\n'),
  };
}

describe('the mirrors of this machine', () => {
  it('are those of the release, that of the release itself first', () => {
    const targets = [
      'http://security.example bookworm-security main',
      'http://mirror.example bookworm main',
      'http://mirror.example bookworm-updates main',
    ];
    expect(aptMirrors(machine({ targets }))).toEqual([
      { uri: 'http://mirror.example', release: 'bookworm' },
      { uri: 'http://mirror.example', release: 'bookworm-updates' },
      { uri: 'http://security.example', release: 'bookworm-security' },
    ]);
  });

  it.each([
    'http://third.example tool-bookworm main',
    'http://third.example nodistro main',
    'http://a.example bookworm contrib',
  ])('leave out what a bare machine does not have: %s', (target) => {
    const targets = ['http://mirror.example bookworm main', target];
    expect(aptMirrors(machine({ targets }))).toEqual([{ uri: 'http://mirror.example', release: 'bookworm' }]);
  });

  it('are asked for when there is none', () => {
    expect(() => aptMirrors(machine({ targets: ['http://third.example nodistro main'] }))).toThrow(
      'apt knows no mirror of "bookworm main" here. Add one to /etc/apt/sources.list.',
    );
  });
});

describe('how apt fetches packages here', () => {
  it('is taken over: proxies, and leave to use an old mirror', () => {
    const settings = ['Acquire::http::Proxy "http://proxy.example";', 'Acquire::Check-Valid-Until "false";'];
    expect(aptNetworkSettings(machine({ settings }))).toEqual(settings);
  });

  it('leaves alone what a bare machine has by itself', () => {
    const settings = ['Acquire "";', 'Acquire::Languages:: "none";', 'Acquire::IndexTargets::deb "";'];
    expect(aptNetworkSettings(machine({ settings }))).toEqual([]);
  });
});
