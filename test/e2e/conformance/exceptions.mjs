// What libwebsockets 4.1.6 does otherwise than RFC 6455 wants, below where the
// relay could see it. Each with what it does instead; the list is exact: a case
// that passes, or does something else, fails the test.
export default {};
