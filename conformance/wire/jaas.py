"""The value of `sasl.jaas.config`: one login module with its options, as Kafka's clients take it.

    org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";

Not here: JAAS files (`java.security.auth.login.config`), several login modules, and Java's octal escapes.

Source: JaasConfig.java (KIP-85), java.io.StreamTokenizer.
"""

from __future__ import annotations

import re

from attrs import frozen

from conformance.wire.errors import BadProperties

KEY = "sasl.jaas.config"
CONTROL_FLAGS = ("required", "requisite", "sufficient", "optional")
TOKEN = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([=;])|([^\s=;"']+))""", re.DOTALL)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@frozen
class LoginModule:
    """A login module by its class name, and its options."""

    class_name: str
    options: dict[str, str]

    @property
    def simple_name(self) -> str:
        """The class name without its package."""
        return self.class_name.rpartition(".")[2]


def parse_jaas(text: str) -> LoginModule:
    """The single login module in `text`; `BadProperties` if it is written wrongly."""
    tokens = _tokens(text)
    if len(tokens) < 3 or tokens[-1] != ";" or tokens.count(";") != 1:
        raise BadProperties(f'{KEY} must be one login module that ends in ";", as in: Module required key="value";')
    class_name, flag, *rest = tokens[:-1]
    if flag.lower() not in CONTROL_FLAGS:
        raise BadProperties(f"{KEY}: {flag!r} is no control flag; use one of {', '.join(CONTROL_FLAGS)}")
    if len(rest) % 3 or any(rest[index + 1] != "=" for index in range(0, len(rest), 3)):
        raise BadProperties(f'{KEY}: write the options of {class_name} as key="value", with blanks between them')
    return LoginModule(class_name, {rest[index]: rest[index + 2] for index in range(0, len(rest), 3)})


def _tokens(text: str) -> list[str]:
    """Words, quoted words without their quotes, and the signs "=" and ";"."""
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None:
            raise BadProperties(f"{KEY}: a quote is opened and not closed")
        double, single, sign, word = match.groups()
        quoted = double if double is not None else single
        tokens.append(_unescape(quoted) if quoted is not None else sign or word)
        position = match.end()
    return tokens


def _unescape(quoted: str) -> str:
    return ESCAPE.sub(lambda match: ESCAPED.get(match[1], match[1]), quoted)
