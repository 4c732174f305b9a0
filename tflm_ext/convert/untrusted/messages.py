"""Reads and writes the protocol buffers of a SavedModel without TensorFlow.

Only fields that affect what may run are known by name. All others are preserved, so that messages
can be written again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

# The relevant parts of TensorFlow's messages: number, name and type of each field. A star means
# repeated, a capital letter a message. A map is a repeated message with two fields.
# After tensorflow/core/protobuf/{saved_model,meta_graph,saver,saved_object_graph}.proto and
# tensorflow/core/framework/{graph,function,node_def,attr_value,tensor,tensor_shape}.proto.
_MESSAGES = {
    "SavedModel": "2:meta_graphs:MetaGraph*",
    "MetaGraph": "2:graph_def:Graph 3:saver_def:Saver 4:collection_def:CollectionEntry*"
    " 5:signature_def:SignatureEntry* 6:asset_file_def:Any* 7:object_graph_def:Objects",
    "Any": "",
    "Graph": "1:node:Node* 2:library:Library",
    "Library": "1:function:Function* 2:gradient:Any* 3:registered_gradients:Any*",
    "Function": "1:signature:Name 3:node_def:Node* 5:attr:AttrEntry*",
    "Name": "1:name:string",
    "Node": "1:name:string 2:op:string 3:input:string* 5:attr:AttrEntry*",
    "AttrEntry": "1:key:string 2:value:Attr",
    "Attr": "1:list:AttrList 2:s:bytes 8:tensor:Tensor 10:func:Name",
    "AttrList": "8:tensor:Tensor* 9:func:Name*",
    "Tensor": "2:tensor_shape:Shape",
    "Shape": "2:dim:Dimension*",
    "Dimension": "1:size:int64",
    "Saver": "1:filename_tensor_name:string 2:save_tensor_name:string 3:restore_op_name:string",
    "CollectionEntry": "1:key:string 2:value:Collection",
    "Collection": "1:node_list:NodeList 2:bytes_list:BytesList",
    "NodeList": "1:value:string*",
    "BytesList": "1:value:bytes*",
    "VariableDef": "1:variable_name:string 2:initializer_name:string 3:snapshot_name:string"
    " 6:initial_value_name:string",
    "SignatureEntry": "1:key:string 2:value:Signature",
    "Signature": "1:inputs:TensorEntry* 2:outputs:TensorEntry*",
    "TensorEntry": "1:key:string 2:value:Name",
    "Objects": "1:nodes:Object* 2:concrete_functions:ConcreteEntry*",
    "ConcreteEntry": "1:key:string",
    "Object": "4:user_object:Any 5:asset:Any 6:function:FunctionNames 7:variable:Variable"
    " 8:bare_concrete_function:FunctionNames 9:constant:Constant 10:resource:Any"
    " 12:captured_tensor:Any",
    "FunctionNames": "1:names:string*",
    "Variable": "2:shape:Shape",
    "Constant": "1:operation:string",
}


def message_class(kind: str) -> Any:
    """Return the class of messages of a kind, one of _MESSAGES."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"parts.{kind}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    field_types = descriptor_pb2.FieldDescriptorProto
    types = {
        "string": field_types.TYPE_STRING,
        "bytes": field_types.TYPE_BYTES,
        "int64": field_types.TYPE_INT64,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="saved_model_parts.proto", package="parts", syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            number, field_name, kind = text.split(":")
            field = message.field.add(name=field_name, number=int(number))
            repeated = kind.endswith("*")
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            field.type = types.get(kind, field.TYPE_MESSAGE)
            if kind not in types:
                field.type_name = f".parts.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
