// A Cumulocity tenant for a machine of the tests: runs inside the sandbox until it is killed.
import { fakeCloud } from '@sallyport/testkit/fake-cloud';

const [, , device = ''] = process.argv;
const cloud = await fakeCloud({ devices: [device] });
const { certPath, keyPath } = await cloud.deviceCa.issue({ commonName: device });
cloud.tenant.addObject({ name: device, c8y_IsDevice: {} });
const { caPath, api, mqtt } = cloud;
console.log(JSON.stringify({ api: api.port, mqtt: mqtt.port, caPath, certPath, keyPath }));
