import { duration } from '../durations.js';
import { proxyUrl } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, text } from '../text-values.js';
import { integerFrom, oneOf } from '../value-type.js';
import { line, path, preset, set, time, toggle } from './thin-edge-kinds.js';

const aptConfig = oneOf('AptConfig', ['keepold', 'keepnew']);
const aptDoc = 'Which configuration files stay when a package is installed.';
const count = integerFrom('u32', 'a whole number from 0 to 4294967295', { least: 0, most: 4_294_967_295 });

const device = {
  'device.key_uri': optionalSetting(text, {
    doc: "PKCS#11 URI of the device's private key. Only thin-edge.io can use such a key: a cloud connection with this setting is refused.",
    examples: ['pkcs11:token=my-token;object=my-key'],
  }),
  'device.key_pin': line("PIN of the token that holds the device's private key.", '123456'),
  'device.cryptoki.mode': preset(
    oneOf('Cryptoki', ['off', 'module', 'socket']),
    'How a hardware security module is reached.',
    'off',
    'socket',
  ),
  'device.cryptoki.module_path': path('PKCS#11 module to load.', '/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so'),
  'device.cryptoki.pin': preset(text, 'PIN of tokens that have none of their own.', '123456', '123456'),
  'device.cryptoki.uri': line('Token or object that `tedge-p11-server` offers.', 'pkcs11:token=my-token'),
  'device.cryptoki.socket_path': preset(
    absolutePath,
    'Socket of `tedge-p11-server`.',
    '/run/tedge-p11-server/tedge-p11-server.sock',
    '/run/tedge-p11-server/tedge-p11-server.sock',
  ),
} as const;

const bridge = {
  'mqtt.bridge.built_in': toggle('Whether the mapper bridges to the cloud itself, or Mosquitto does.', true),
  'mqtt.bridge.reconnect_policy.initial_interval': setting(duration, {
    doc: 'First pause before the bridge connects again. Chance makes each pause up to half shorter or longer.',
    default: '5s',
    examples: ['5s'],
  }),
  'mqtt.bridge.reconnect_policy.maximum_interval': setting(duration, {
    doc: 'Longest pause before the bridge connects again, give or take the half that chance decides.',
    default: '10m',
    examples: ['10m'],
  }),
  'mqtt.bridge.reconnect_policy.reset_window': setting(duration, {
    doc: 'Time after which a connection counts as good, so that the next pause is the first one again.',
    default: '5m',
    examples: ['5m'],
  }),
} as const;

const agent = {
  'agent.state.path': preset(
    absolutePath,
    'Directory where the agent keeps its state.',
    '/data/tedge/agent',
    '/data/tedge/agent',
  ),
  'agent.enable.config_update': toggle('Whether the agent takes configuration files.', true),
  'agent.enable.config_snapshot': toggle('Whether the agent hands out configuration files.', true),
  'agent.enable.log_upload': toggle('Whether the agent uploads log files.', true),
  'run.lock_files': toggle('Whether thin-edge.io holds a lock file while it runs.', true),
  'run.log_memory_interval': time('How often memory use is logged; 0 for never.', '0'),
  'logs.max_per_operation': set(
    'How many logs are kept of an operation.',
    ['*:5', 'software_list:1'],
    '*:5,software_list:1',
  ),
  'firmware.child.update.timeout': time('How long the firmware update of a child device may take.', '1h'),
  'sudo.enable': toggle('Whether thin-edge.io uses sudo.', true),
} as const;

const software = {
  'software.plugin.default': line('Software plugin that is used when none is named.', 'apt'),
  'software.plugin.max_packages': preset(count, 'Most packages reported of each type of software.', 1000, '1000'),
  'software.plugin.include': line('Pattern of the packages that are reported.', '^(tedge|c8y).*'),
  'software.plugin.exclude': line('Pattern of the packages that are not reported.', '^(glibc|lib).*'),
  'apt.name': line('Pattern of the names of the packages that are reported.', 'tedge.*'),
  'apt.maintainer': line('Pattern of the maintainers whose packages are reported.', 'thin-edge.io team.*'),
  'apt.dpkg.options.config': preset(aptConfig, aptDoc, 'keepold', 'keepnew'),
  // The spelling of thin-edge.io 1.x.
  'apt.dpk.options.config': preset(aptConfig, aptDoc, 'keepold', 'keepnew'),
} as const;

const proxy = {
  'proxy.address': optionalSetting(proxyUrl, {
    doc: 'HTTP proxy (CONNECT) between this device and its clouds. `https://` in front: the proxy itself is reached over TLS.',
    examples: ['proxy.example:3128'],
  }),
  'proxy.username': optionalSetting(text, { doc: 'User name for that proxy.', examples: ['user'] }),
  'proxy.password': optionalSetting(text, { doc: 'Password for that proxy.', examples: ['password'] }),
  'proxy.no_proxy': optionalSetting(text, {
    doc: 'Hosts that are reached without that proxy, separated by commas: names with everything below them, addresses, networks (10.0.0.0/8), or `*` for all.',
    examples: ['127.0.0.1,.example'],
  }),
} as const;

/** More settings of thin-edge.io. What nothing here reads is kept and shown, so that both products share one file. */
export const thinEdgeKeys = { ...device, ...bridge, ...agent, ...software, ...proxy } as const;
