"""Decides which column of a table holds what, from its header in English or Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from core.codes.payload import INVISIBLE
from core.errors import UnreadableFile


class _Role(Enum):
    SECRET = auto()
    PASSWORD = auto()  # the secret beside a number, the PIN beside a code
    NUMBER = auto()
    PIN = auto()  # the secret of a card that has a number and nothing else
    EXPIRY = auto()
    IGNORED = auto()


_NAMES = {
    _Role.SECRET: (
        "code,codes,key,keys,secret,card code,gift code,gift card code,giftcard code,"
        "redeem code,redemption code,"
        "activation code,activation key,game key,game code,steam key,cd key,cdkey,cdk,product key,"
        "product code,"
        "license,license key,licence key,voucher,voucher code,coupon,coupon code,promo code,claim code,"
        "recharge code,card key,digital code,digital key,"
        "卡密,卡密信息,兑换码,激活码,充值码,充值卡密,券码,卡券码,密钥,提取码,优惠码,优惠券码,礼品码,礼品卡码,"
        "礼品卡兑换码,游戏激活码,激活密钥,产品密钥,兑换卡密,卡密码"
    ),
    _Role.PASSWORD: "password,passwd,pass,passcode,card password,密码,卡片密码,充值密码,登录密码",
    _Role.NUMBER: (
        "number,no,no.,card,card number,card no,card no.,cardnumber,cardno,serial,serial number,"
        "serial no,serial no.,"
        "serialnumber,sn,s/n,account,username,user name,login,"
        "卡号,序列号,卡片号,卡券号,卡序列号,充值卡号,礼品卡号,账号,帐号,账户,用户名"
    ),
    _Role.PIN: "pin,pin code,pincode,pin number,cvv,cvc,security code,pin码,安全码,校验码,验证码",
    _Role.EXPIRY: (
        "expiry,expires,expires at,expires on,expire,expire at,expire date,expired at,expire time,expiration,"
        "expiration date,expiry date,exp,exp date,valid until,valid to,valid thru,valid till,"
        "validity,best before,"
        "有效期,有效期至,有效期限,有效日期,有效期截止,过期时间,过期日期,过期日,到期时间,到期日期,到期日,到期,"
        "失效时间,失效日期,截止日期,截止时间"
    ),
    _Role.IGNORED: (
        "id,#,index,row,name,title,product,product name,item,sku,brand,description,price,cost,unit cost,"
        "amount,value,"
        "face value,denomination,currency,region,country,status,state,note,notes,remark,remarks,"
        "comment,date,created,"
        "created at,batch,order,order id,quantity,type,kind,"
        "编号,序号,名称,商品,商品名称,产品,产品名称,品牌,面值,面额,价格,售价,成本,金额,币种,货币,地区,国家,状态,备注,"
        "说明,日期,创建时间,批次,订单号,数量,类型,规格"
    ),
}
_ROLES = {name.strip(): role for role, names in _NAMES.items() for name in names.split(",")}
_TO_SPACE = re.compile(r"[\s_\-*:：" + INVISIBLE + "]+")
_UNDERSTOOD = (
    "code, key, secret, number, serial, card number, password, PIN, expires, valid until, "
    "卡号, 卡密, 密码, 兑换码, 序列号, 有效期, 过期时间"
)
_LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table that matter, by position from 0; `width` is how many the header has."""

    width: int
    secret: int
    number: int | None = None
    pin: int | None = None
    expiry: int | None = None


def layout_of_header(where: str, cells: Sequence[str]) -> Layout | None:
    """The layout of a header, None for a row of codes; UnreadableFile for a header without the code."""
    roles = [_ROLES.get(_TO_SPACE.sub(" ", cell).strip().casefold()) for cell in cells]
    if not any(roles):
        return None
    at = {role: _only(where, cells, roles, role) for role in _Role if role is not _Role.IGNORED}
    secret, password, number, pin = (
        at[_Role.SECRET], at[_Role.PASSWORD], at[_Role.NUMBER], at[_Role.PIN]
    )  # fmt: skip
    if secret is None:
        secret, password = password, None
    if secret is None and number is not None:
        secret, pin = pin, None
    if secret is None:
        raise UnreadableFile(
            f"{where}: no column for the code among {_shown(cells, roles)}; name it code. "
            f"Understood: {_UNDERSTOOD}"
        )
    return Layout(len(cells), secret, number, pin if pin is not None else password, at[_Role.EXPIRY])


def _only(where: str, cells: Sequence[str], roles: Sequence[_Role | None], role: _Role) -> int | None:
    found = [column for column, its in enumerate(roles) if its is role]
    if len(found) > 1:
        names = " and ".join(repr(cells[column].strip()) for column in found)
        raise UnreadableFile(f"{where}: the columns {names} mean the same; remove or rename all but one")
    return found[0] if found else None


def _shown(cells: Sequence[str], roles: Sequence[_Role | None]) -> str:
    """The header's names. A cell that is no known name and may be a code is only counted."""
    return ", ".join(
        repr(cell.strip()) if role or _is_wordy(cell) else f"(column {column}, unknown)"
        for column, (cell, role) in enumerate(zip(cells, roles, strict=True), 1)
    )


def _is_wordy(cell: str) -> bool:
    return (
        len(cell) <= _LONGEST_NAME and cell.replace(" ", "").replace("_", "").isalpha() and not cell.isupper()
    )
