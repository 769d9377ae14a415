// JSON texts by the rules of RFC 8259, each as a value within a frame or as
// the whole frame, and what the relay must make of them.
const good = [];
const bad = [];

const within = (value) => Buffer.concat([Buffer.from('{"type":"ping","ref":1,"x":'), Buffer.from(value), Buffer.from('}')]);
const nested = (n) => '['.repeat(n) + ']'.repeat(n);

// ---- values that are JSON ----
for (const value of ['0', '-0', '0e1', '0e+1', '1.5', '-1.5e-7', '1E22', '1e+2', '123456789012345678', '9007199254740993', '0.1234567890123456789012345678901',
  '1e308', '1e-400', '123456789012345678901234567890', '-123456789012345678901234567890', '7'.repeat(1000), 'true', 'false', 'null', '""', '"a"', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0041"', '"\\u00e9"', '"\\uD83D\\uDE00"',
  '"\\ud834\\uDD1E"', '"\\uFFFE"', '"\\u2028\\u2029"', '"\u2028\u2029"', '"\x7f"', '"é"', '"😀"', '"\u{10ffff}"', '"\u{ffff}"', '"[{]}"', '"\\u0001"', '[]', '[[]]', '{}', '{"a":{}}',
  '[1,2]', '[1 , 2]', '[null,1,"a",true]', '{"":0}', '{"a":1,"a":2}', '{"a":1,"a":1}', '{"\\u0061":1}', '{"a b":1}', '{"é":1}', ' 1 ', '\t[\n1\r\n]\t',
  nested(31), `${'{"a":'.repeat(31)}1${'}'.repeat(31)}`, JSON.stringify('x'.repeat(60000))])
  good.push([`value ${value.length > 40 ? `${value.slice(0, 30)}… (${value.length})` : JSON.stringify(value)}`, within(value)]);

// ---- values that are not ----
for (const value of ['', 'NaN', '-NaN', 'nan', 'Infinity', '-Infinity', 'inf', '1e400000', '+1', '++1', '--1', '-', '.5', '5.', '-.5', '1.e1', '1e', '1e+', '1e-', '1ee1', '1e1.5', '1.2.3', '01', '-01', '00', '0x10', '0b1', '0o7',
  '1_000', '1 000', '1,000', '1a', '-a', '- 1', '0 1', '１', '7'.repeat(1001), 'True', 'TRUE', 'nul', 'nulll', 'tru', 'truefalse', 'undefined', 'None', 'a',
  "'a'", '"a', 'a"', '"', '"\\', '"\\"', '"\\a"', '"\\x41"', '"\\U0041"', '"\\u"', '"\\u004"', '"\\u00G0"', '"\\u 041"', '"\\u+041"', '"\\u{41}"', '"\\\'"', '"\\0"', '"a\\u0000b"', '"\\u0000"',
  '"\\uD800"', '"\\uDC00"', '"\\uD800\\uD800"', '"\\uD800x"', '"\\uD800\\n"', '"\\uDBFF\\uE000"', '"\\uDE00\\uD83D"', '"\\ud83d\\u"', '"\t"', '"\n"', '"\r"', '"\0"', '"\x1f"', '"\x01"',
  '[', ']', '[1', '[1,', '[,', '[,1]', '[1,]', '[1,,2]', '[1 2]', '[1;2]', '["a" "b"]', '[1}', '{', '{]', '{"a"', '{"a"}', '{"a":', '{"a":}', '{"a":1', '{"a":1,}', '{"a":1,,"b":2}', '{,}', '{"a" 1}', '{"a"=1}', '{"a"::1}',
  '{"a":1 "b":2}', '{a:1}', "{'a':1}", '{1:1}', '{null:1}', '{[]:1}', '{"a\\u0000":1}', '{"a":1;}', '[1] //x', '[1] /*x*/', '#', '/*x*/1', '`a`', '(1)', '<a>', '[1\f]', '[1\v]', '[\u00a01]', '[\ufeff1]', '\\u0031', '[...]', '1;', '*', '&',
  nested(32), nested(10000), '['.repeat(30000), '{"a":'.repeat(10000)])
  bad.push([`value ${value.length > 40 ? `${value.slice(0, 20)}… (${value.length})` : JSON.stringify(value)}`, within(value)]);

// ---- whole frames ----
for (const [name, frame] of [['space around', ' \t\r\n{"type":"ping","ref":1} \n'], ['space within', '{ "type" : "ping" , "ref" : 1 }'], ['escapes in the names', '{"\\u0074ype":"pin\\u0067","ref":1}']])
  good.push([`frame: ${name}`, Buffer.from(frame)]);
for (const [name, frame] of [['space only', '  \n'], ['null', 'null'], ['a number', '1'], ['a string', '"ping"'], ['an array', '[{"type":"ping","ref":1}]'], ['true', 'true'],
  ['two objects', '{"type":"ping","ref":1}{"type":"ping","ref":1}'], ['two objects, a line each', '{"type":"ping"}\n{"type":"ping"}'], ['a comma after it', '{"type":"ping"},'], ['a bracket after it', '{"type":"ping"}]'],
  ['a NUL after it', '{"type":"ping"}\0'], ['a NUL before it', '\0{"type":"ping"}'], ['a byte order mark before it', '\ufeff{"type":"ping"}'], ['a comment after it', '{"type":"ping"}//'], ['a form feed before it', '\f{"type":"ping"}'],
  ['cut short', '{"type":"ping"'], ['cut within a string', '{"type":"pi'], ['BSON-like', '\x16\0\0\0\x02type\0'], ['XML', '<type>ping</type>'], ['a query', 'type=ping'], ['an escape out of a string', '{"type":"ping\\"}'],
  ['UTF-16, by its bytes', Array.from('{"type":"ping"}').join('\0')]])
  bad.push([`frame: ${name}`, Buffer.from(frame)]);

export { bad, good };
