from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Packing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACKING_UNSPECIFIED: _ClassVar[Packing]
    PACKING_FLOAT32: _ClassVar[Packing]
    PACKING_INT8: _ClassVar[Packing]
    PACKING_TERNARY: _ClassVar[Packing]
    PACKING_BASE3: _ClassVar[Packing]
PACKING_UNSPECIFIED: Packing
PACKING_FLOAT32: Packing
PACKING_INT8: Packing
PACKING_TERNARY: Packing
PACKING_BASE3: Packing

class SemanticEvent(_message.Message):
    __slots__ = ("node_id", "timestamp", "hdc_vector", "dimensions", "ttl", "label", "meta", "packing", "encoder_id", "sequence")
    class MetaEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    HDC_VECTOR_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    META_FIELD_NUMBER: _ClassVar[int]
    PACKING_FIELD_NUMBER: _ClassVar[int]
    ENCODER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    timestamp: int
    hdc_vector: bytes
    dimensions: int
    ttl: int
    label: str
    meta: _containers.ScalarMap[str, str]
    packing: Packing
    encoder_id: str
    sequence: int
    def __init__(self, node_id: _Optional[str] = ..., timestamp: _Optional[int] = ..., hdc_vector: _Optional[bytes] = ..., dimensions: _Optional[int] = ..., ttl: _Optional[int] = ..., label: _Optional[str] = ..., meta: _Optional[_Mapping[str, str]] = ..., packing: _Optional[_Union[Packing, str]] = ..., encoder_id: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...
