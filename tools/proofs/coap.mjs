// Runs tests of CoAP for so long that they prove what their short form in `npm test` only shows.
import { runVitest } from '../vitest.mjs';

const frames = 1_000_000;

export const coapFrames = {
  name: 'coap-frames',
  says: `${frames.toLocaleString('en')} generated frames, half of them broken, through the reader of CoAP: no crash, no growth`,
  packages: [],
  needsRoot: false,
  async prove(report) {
    const env = { SALLYPORT_FRAMES: String(frames) };
    const { isGood, passed, failed } = runVitest(['--project', '@sallyport/coap-wire', 'generated-frames'], { env });
    report(`${passed} held, ${failed} did not`);
    if (!isGood || failed > 0 || passed === 0) throw new Error('a frame was read wrongly, or its memory was kept.');
  },
};
