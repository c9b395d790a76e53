/** Sessions on a real NATS server that one test file shares; each test in a namespace of its own. */

import { after, test, type TestContext } from 'node:test';
import { NatsSession, type SessionSettings } from '../../shared/control-plane/nats/session.js';
import { natsMissing, startNats, type NatsServers } from './nats-server.js';

export { until } from './until.js';

const TEST_TIMEOUT_MS = 60_000;
let started: Promise<NatsServers> | undefined;
let namespaces = 0;

after(async () => (await started)?.dispose());

/** A test that skips, and says why, where there is no nats-server. `open` gives sessions of one fresh namespace, closed afterwards. */
export function natsTest(
  sentence: string,
  body: (open: (more?: Partial<SessionSettings>) => Promise<NatsSession>, t: TestContext) => Promise<void>,
): void {
  void test(sentence, { skip: natsMissing ?? false, timeout: TEST_TIMEOUT_MS }, async (t) => {
    started ??= startNats();
    const servers = (await started).addresses;
    const namespace = `t${++namespaces}`;
    const sessions: NatsSession[] = [];
    try {
      await body(async (more = {}) => {
        const session = await NatsSession.open({ servers, namespace, replicas: 1, clientName: 'test', ...more });
        sessions.push(session);
        return session;
      }, t);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  });
}
