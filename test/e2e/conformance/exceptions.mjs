// What libwebsockets 4.1.6 does otherwise than RFC 6455 wants, below where the
// relay could see it. Each with what it does instead; the list is exact: a case
// that begins to pass, or does something else, fails the test.
const unmasked = 'the library takes frames without a mask';
const long = 'the library takes lengths that are not in their shortest form';
const dropped = 'the library ends the connection without a close frame (a SHOULD of section 7.1.7)';
const onePong = 'of several pings at once the library answers the first, not the last';
const codes = 'the library knows the codes of 2011, not those registered since';

export default {
  '1.3.1': { does: 'reply(a) open', why: long },
  '1.3.2': { does: 'reply(a) open', why: long },
  '1.3.3': { does: 'reply(a) open', why: long },
  '1.3.4': { does: 'dropped', why: dropped },
  '1.4.1': { does: 'reply(a) open', why: unmasked },
  '1.4.2': { does: 'pong(x) open', why: unmasked },
  '1.4.3': { does: 'close(1000)', why: unmasked },
  '1.4.4': { does: 'reply(a) reply(b) open', why: unmasked },
  '1.4.5': { does: 'close(1003)', why: unmasked },
  '2.5': { does: 'dropped', why: dropped },
  '2.10': { does: 'pong(p0) open', why: onePong },
  '2.12': { does: 'dropped', why: dropped },
  '2.13': { does: 'dropped', why: dropped },
  '5.19.1': { does: 'reply(a) pong(p0) open', why: onePong },
  '6.6.4': { does: 'error(bad_request) close(1007)', why: 'the library looks at the end of a message after handing it over' },
  '7.3.6': { does: 'dropped', why: dropped },
  '7.5.1': { does: 'dropped', why: dropped },
  '7.5.2': { does: 'dropped', why: dropped },
  '7.5.3': { does: 'dropped', why: dropped },
  '7.5.5': { does: 'dropped', why: dropped },
  '7.7.10': { does: 'close(1002)', why: codes },
  '7.7.11': { does: 'close(1002)', why: codes },
  '7.7.12': { does: 'close(1002)', why: codes },
};
