import { deviceId } from '@sallyport/protocol';
import { enrolIdentity } from './enrol.js';
import { renewIdentity } from './renew.js';

// A process that crash.spec.ts starts, and kills at some point in this code.
const [, , work, folder = '', url = '', oneTimePassword = ''] = process.argv;
const files = { certPath: `${folder}/cert.pem`, keyPath: `${folder}/key.pem`, caPath: `${folder}/ca.pem` };

process.stdout.write('started\n');
if (work === 'enrol') await enrolIdentity({ files, deviceId: deviceId.parse('child01'), oneTimePassword, url });
for (;;) await renewIdentity({ files, url, newKey: true });
