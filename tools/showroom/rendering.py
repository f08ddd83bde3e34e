"""The path tracer: meshes, and a render with its denoiser."""

import importlib
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from showroom.geometry import Floats, Part

mi: Any = importlib.import_module("mitsuba")
mi.set_variant(os.environ.get("SHOWROOM_VARIANT", "llvm_ad_rgb"))
mi.set_log_level(mi.LogLevel.Error)
oidn: Any = importlib.import_module("pyoidn")

AOVS = "albedo:albedo,normal:sh_normal"


def mesh(
    name: str, part: Part, bsdf: Any, *, repeat: tuple[float, float] = (1.0, 1.0), glow: Floats | None = None
) -> Any:
    """Return a part as a mesh; with `glow`, the mesh emits that radiance."""
    count = len(part.corners)
    props = mi.Properties()
    props["mesh_bsdf"] = bsdf
    if glow is not None:
        props["mesh_emitter"] = mi.load_dict(
            {"type": "area", "radiance": {"type": "rgb", "value": [float(v) for v in glow]}}
        )
    made = mi.Mesh(name, count * 3, count, has_vertex_normals=True, has_vertex_texcoords=True, props=props)
    params = mi.traverse(made)
    params["vertex_positions"] = part.corners.ravel()
    params["vertex_normals"] = part.normals.ravel()
    params["vertex_texcoords"] = (part.places * np.array(repeat, np.float32)).ravel()
    params["faces"] = np.arange(count * 3, dtype=np.uint32)
    params.update()
    return made


def rendered(scene: Any, *, samples: int, depth: int, seed: int) -> Floats:
    """Render a scene in linear light, denoised; `(height, width, 3)`."""
    path = mi.load_dict({"type": "path", "max_depth": depth})
    colour = np.array(mi.render(scene, integrator=path, spp=samples, seed=seed), np.float32)
    return denoised(colour, guides(scene, seed))


def guides(scene: Any, seed: int) -> Floats:
    """Return the albedo and the normal of every pixel, `(height, width, 6)`.

    This is a separate render, because the path tracer would run twice inside mitsuba's `aov` integrator.
    """
    layers = mi.render(scene, integrator=mi.load_dict({"type": "aov", "aovs": AOVS}), spp=12, seed=seed)
    return np.array(layers, np.float32)


def met(scene: Any, width: int, height: int) -> tuple[npt.NDArray[np.uint32], dict[int, str]]:
    """Return the number of the first shape at each pixel, `(height, width)`, and the ids by number."""
    dr = importlib.import_module("drjit")
    index = dr.arange(mi.UInt32, width * height)
    x, y = index % width, index // width
    at = mi.Point2f((mi.Float(x) + 0.5) / width, (mi.Float(y) + 0.5) / height)
    ray, _ = scene.sensors()[0].sample_ray(mi.Float(0), mi.Float(0.5), at, mi.Point2f(0.5))
    hit = scene.ray_intersect_preliminary(ray).shape
    numbers = np.array(dr.reinterpret_array(mi.UInt32, hit), np.uint32).reshape(height, width)
    shapes = scene.shapes()
    return numbers, {
        int(np.array(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(shape)))[0]): shape.id() for shape in shapes
    }


def denoised(colour: Floats, layers: Floats) -> Floats:
    """Denoise a picture with its guides."""
    noisy, albedo, normal = (
        np.ascontiguousarray(np.nan_to_num(each), np.float32)
        for each in (colour, layers[..., :3], layers[..., 3:])
    )
    clean = oidn.denoise(np.maximum(noisy, 0), np.clip(albedo, 0, 1), normal, hdr=True)
    return np.maximum(np.asarray(clean, np.float32), 0)
