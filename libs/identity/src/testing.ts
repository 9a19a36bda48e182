export { certsOnly, type EstAnswer, EstResponder, type SeenRequest } from './est-responder.fixture.js';
export { TestSite } from './test-site.fixture.js';
